//! Miden assembly, line by line.

/// Where lines of doc comments end that are written here.
const DOC_WIDTH: usize = 100;

/// Assembly that is being written.
#[derive(Debug, Default)]
pub(crate) struct Code {
    text: String,
    depth: usize,
}

impl Code {
    /// Adds a line.
    pub(crate) fn line(&mut self, line: impl AsRef<str>) {
        let line = line.as_ref();
        if !line.is_empty() {
            for _ in 0..self.depth {
                self.text.push_str("    ");
            }
            self.text.push_str(line);
        }
        self.text.push('\n');
    }

    /// Adds a line of instructions, with single spaces between them; nothing if there are none.
    pub(super) fn words(&mut self, text: &str) {
        let words: Vec<&str> = text.split_whitespace().collect();
        if !words.is_empty() {
            self.line(words.join(" "));
        }
    }

    /// Adds doc comments, a line for each of the text.
    pub(crate) fn docs(&mut self, text: &str) {
        for line in text.lines() {
            self.line(format!("#! {}", line.trim()).trim_end());
        }
    }

    /// Adds doc comments of at most some hundred columns, as far as words allow.
    pub(super) fn wrapped_docs(&mut self, text: &str) {
        for paragraph in text.lines() {
            let mut line = String::new();
            for word in paragraph.split_whitespace() {
                if !line.is_empty() && line.len() + word.len() >= DOC_WIDTH {
                    self.docs(&line);
                    line.clear();
                }
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            self.docs(&line);
        }
    }

    /// Adds a line and what stands between it and an `end`.
    pub(crate) fn block(&mut self, line: impl AsRef<str>, body: impl FnOnce(&mut Self)) {
        self.line(line);
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line("end");
    }

    /// Adds both branches on the condition on top of the stack; the second one can be empty.
    pub(crate) fn branch(&mut self, on_true: Self, on_false: Self) {
        self.line("if.true");
        self.nested(on_true);
        if !on_false.text.is_empty() {
            self.line("else");
            self.nested(on_false);
        }
        self.line("end");
    }

    /// Adds what another one has.
    pub(crate) fn add(&mut self, code: Self) {
        for line in code.text.lines() {
            self.line(line);
        }
    }

    fn nested(&mut self, code: Self) {
        self.depth += 1;
        self.add(code);
        self.depth -= 1;
    }

    /// The text.
    pub(crate) fn finish(self) -> String {
        self.text
    }
}

/// The instruction that moves the element at a position to the top.
pub(super) fn move_up(position: usize) -> String {
    match position {
        0 => String::new(),
        1 => "swap".into(),
        _ => format!("movup.{position}"),
    }
}

/// The instruction that moves the top element to a position.
pub(super) fn move_down(position: usize) -> String {
    match position {
        0 => String::new(),
        1 => "swap".into(),
        _ => format!("movdn.{position}"),
    }
}
