//! A diary: Rust with its standard library, for a system.

use std::{
    collections::HashMap,
    process,
    sync::Mutex,
    time::{Instant, SystemTime},
};

wit_bindgen::generate!({ path: "diary.wit", world: "diary" });

use exports::diary::diary::pages::Guest;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Diary;

impl Guest for Diary {
    fn write(line: String) -> u32 {
        let mut lines = LINES.lock().expect("nobody panicked");
        println!("{}: {line}", lines.len());
        lines.push(line);
        lines.len() as u32
    }

    fn most() -> Vec<(String, u32)> {
        let lines = LINES.lock().expect("nobody panicked");
        let mut counts: HashMap<&str, u32> = HashMap::new();
        for line in lines.iter() {
            *counts.entry(line).or_default() += 1;
        }
        let mut counts: Vec<(String, u32)> = counts
            .into_iter()
            .map(|(line, count)| (line.to_owned(), count))
            .collect();
        counts.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        counts
    }

    fn read(number: u32) -> String {
        LINES.lock().expect("nobody panicked")[number as usize].clone()
    }

    fn time() -> (u64, u64) {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let before = Instant::now();
        let nanoseconds = before.elapsed().as_nanos() as u64;
        (
            since.map_or(0, |since| since.as_nanos() as u64),
            nanoseconds,
        )
    }

    fn leave(status: u32) {
        eprintln!("leaving with {status}");
        process::exit(status as i32)
    }
}

export!(Diary);
