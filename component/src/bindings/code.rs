//! Miden assembly, line by line.

/// Assembly that is being written.
#[derive(Debug, Default)]
pub(super) struct Code {
    text: String,
    depth: usize,
}

impl Code {
    /// Adds a line.
    pub(super) fn line(&mut self, line: impl AsRef<str>) {
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
    pub(super) fn docs(&mut self, text: &str) {
        for line in text.lines() {
            self.line(format!("#! {}", line.trim()).trim_end());
        }
    }

    /// Adds a line and what stands between it and an `end`.
    pub(super) fn block(&mut self, line: impl AsRef<str>, body: impl FnOnce(&mut Self)) {
        self.line(line);
        self.depth += 1;
        body(self);
        self.depth -= 1;
        self.line("end");
    }

    /// Adds both branches on the condition on top of the stack; one that is empty is left out.
    pub(super) fn branch(
        &mut self,
        on_true: impl FnOnce(&mut Self),
        on_false: impl FnOnce(&mut Self),
    ) {
        let mut inner = |body: Box<dyn FnOnce(&mut Self) + '_>| {
            let mut code = Self {
                text: String::new(),
                depth: self.depth + 1,
            };
            body(&mut code);
            code.text
        };
        let yes = inner(Box::new(on_true));
        let no = inner(Box::new(on_false));
        self.line("if.true");
        if yes.is_empty() {
            self.depth += 1;
            self.line("nop");
            self.depth -= 1;
        }
        self.text.push_str(&yes);
        if !no.is_empty() {
            self.line("else");
            self.text.push_str(&no);
        }
        self.line("end");
    }

    /// The text.
    pub(super) fn finish(self) -> String {
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
