//! Miden assembly, line by line.

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

    /// Adds doc comments, a line for each of the text.
    pub(crate) fn docs(&mut self, text: &str) {
        for line in text.lines() {
            self.line(format!("#! {}", line.trim()).trim_end());
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
