//! Chapters of the book that are followed word by word: their files are written and their commands run.

use std::{env, fs, path::Path, process::Command};

use super::Folder;

/// A part of the chapter.
#[derive(Debug)]
enum Part {
    File {
        path: String,
        text: String,
    },
    Commands(String),
    /// The output of the commands before, among other things.
    Said(String),
}

fn parts(chapter: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut lines = chapter.lines();
    let mut before = String::new();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            before.push_str(line);
            before.push('\n');
            continue;
        };
        let block = lines.by_ref().take_while(|line| *line != "```");
        let text: String = block.map(|line| format!("{line}\n")).collect();
        let paragraph = before.trim_end().rsplit("\n\n").next().unwrap_or_default();
        let file = paragraph
            .rsplit_once("File")
            .and_then(|(_, rest)| rest.trim().strip_prefix('`')?.strip_suffix("`:"));
        parts.push(match (language, file) {
            ("sh", None) => Part::Commands(text),
            ("text", None) => Part::Said(text),
            (_, Some(path)) => Part::File {
                path: path.into(),
                text,
            },
            _ => panic!("a block of `{language}` without a file: {text}"),
        });
        before.clear();
    }
    parts
}

#[test]
fn the_tutorial_does_what_it_says() {
    follow("tutorial.md", 9);
}

#[test]
fn the_call_has_the_rows_that_the_book_shows() {
    follow("walk.md", 5);
}

/// Does what a chapter says, which has at least so many blocks of commands.
fn follow(chapter: &str, blocks: usize) {
    let chapter = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("docs/src")
        .join(chapter);
    let chapter = fs::read_to_string(chapter).expect("the chapter");
    let parts = parts(&chapter);
    let commands = parts
        .iter()
        .filter(|part| matches!(part, Part::Commands(_)));
    assert!(commands.count() >= blocks);
    let folder = Folder::new(&[]);
    let binary = Path::new(env!("CARGO_BIN_EXE_miden-cvm"));
    let mut paths = vec![binary.parent().expect("a folder").to_owned()];
    paths.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let paths = env::join_paths(paths).expect("paths");
    let mut said = None;
    for part in parts {
        match part {
            Part::File { path, text } => {
                folder.write(&path, text);
            }
            Part::Commands(commands) => {
                let output = Command::new("sh")
                    .args(["-euc", &commands])
                    .current_dir(folder.path(""))
                    .env("PATH", &paths)
                    .output()
                    .expect("a shell");
                let text = String::from_utf8(output.stdout).expect("text");
                let errors = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{commands}: {text}{errors}");
                said = Some(text);
            }
            // The text before the first commands is how to install it.
            Part::Said(text) => {
                for line in text.lines() {
                    let Some(said) = &said else {
                        assert!(line.starts_with("cargo install"), "{line}");
                        continue;
                    };
                    assert!(said.contains(line.trim_end()), "`{line}` is not in {said}");
                }
            }
        }
    }
}
