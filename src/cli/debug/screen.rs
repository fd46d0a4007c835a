//! The debugger's screen on a terminal.

use std::{
    io::{self, IsTerminal},
    time::Duration,
};

use miden_cvm::debug::{Debugger, Frame as OpenFrame, Stop};
use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style},
    text::{Line, Text},
    widgets::{Block, Paragraph, Wrap},
};

use super::{
    super::outcome::Failure,
    command::{self, execute, situation},
};

/// The line below the screen's panes while no command is typed.
const KEYS: &str = "s step  n next  o out  c continue  . cycle  S N O C , back  \
                    Tab panes  : command  ? help  q quit";

/// Returns `true` if there is a terminal to draw on and to read keys from.
pub fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Shows the run, until the user quits.
///
/// # Errors
/// Returns an error if the terminal cannot be used.
pub fn run(debugger: Debugger<'_>) -> Result<(), Failure> {
    let mut terminal = ratatui::try_init().map_err(Failure::failed)?;
    let result = Screen::new(debugger).run(&mut terminal);
    ratatui::restore();
    result.map_err(Failure::failed)
}

/// The content of the pane at the lower right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pane {
    Instances,
    Tables,
    Memory,
    Advice,
    Output,
}

impl Pane {
    const ALL: [Self; 5] = [
        Self::Instances,
        Self::Tables,
        Self::Memory,
        Self::Advice,
        Self::Output,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Instances => "instances",
            Self::Tables => "resource tables",
            Self::Memory => "memory",
            Self::Advice => "advice",
            Self::Output => "output",
        }
    }

    fn next(self) -> Self {
        let place = Self::ALL.iter().position(|pane| *pane == self);
        Self::ALL[place.map_or(0, |place| (place + 1) % Self::ALL.len())]
    }
}

struct Screen<'t> {
    debugger: Debugger<'t>,
    pane: Pane,
    /// The command that is being typed.
    typed: Option<String>,
    /// The last answer.
    answer: String,
    /// The command that moved the run last.
    last: String,
}

impl<'t> Screen<'t> {
    fn new(mut debugger: Debugger<'t>) -> Self {
        let answer = situation(&mut debugger, &Stop::Start);
        Self {
            debugger,
            pane: Pane::Instances,
            typed: None,
            answer,
            last: String::new(),
        }
    }

    fn run(&mut self, terminal: &mut DefaultTerminal) -> io::Result<()> {
        loop {
            terminal.draw(|frame| self.draw(frame))?;
            if let Event::Key(key) = event::read()?
                && key.kind != KeyEventKind::Release
                && !self.key(key)
            {
                return Ok(());
            }
        }
    }

    /// Takes a key; returns whether to go on.
    fn key(&mut self, key: KeyEvent) -> bool {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return !matches!(key.code, KeyCode::Char('c' | 'd'));
        }
        if let Some(typed) = &mut self.typed {
            match key.code {
                KeyCode::Char(c) => typed.push(c),
                KeyCode::Backspace => {
                    typed.pop();
                }
                KeyCode::Esc => self.typed = None,
                KeyCode::Enter => {
                    let line = std::mem::take(typed);
                    self.typed = None;
                    return self.execute(&line);
                }
                _ => {}
            }
            return true;
        }
        let line = match key.code {
            KeyCode::Char(':') => {
                self.typed = Some(String::new());
                return true;
            }
            KeyCode::Tab => {
                self.pane = self.pane.next();
                return true;
            }
            KeyCode::Enter => self.last.clone(),
            KeyCode::Char('S') => "bs".into(),
            KeyCode::Char('N') => "bn".into(),
            KeyCode::Char('O') => "bo".into(),
            KeyCode::Char('C') => "bc".into(),
            KeyCode::Char(c @ ('s' | 'n' | 'o' | 'c' | '.' | ',' | 'q' | '?')) => c.into(),
            _ => return true,
        };
        self.execute(&line)
    }

    /// Does what a line says; returns whether to go on.
    fn execute(&mut self, line: &str) -> bool {
        let mut interrupted = || {
            // Any key stops a run that takes long.
            event::poll(Duration::ZERO).unwrap_or(false)
        };
        let reply = execute(&mut self.debugger, line, &mut interrupted);
        self.answer = reply.text;
        if reply.stop.is_some() {
            self.last = line.to_owned();
        }
        !reply.quits
    }

    fn draw(&mut self, frame: &mut Frame<'_>) {
        let open = self.debugger.frames();
        let is_long = self.answer.lines().count() > 3;
        let answer_height = if is_long {
            Constraint::Percentage(50)
        } else {
            Constraint::Length(3)
        };
        let [above, answer, below] =
            Layout::vertical([Constraint::Min(6), answer_height, Constraint::Length(1)])
                .areas(frame.area());
        let [left, right] =
            Layout::horizontal([Constraint::Percentage(58), Constraint::Percentage(42)])
                .areas(above);
        let [source, calls] =
            Layout::vertical([Constraint::Percentage(68), Constraint::Percentage(32)]).areas(left);
        let [stack, pane] =
            Layout::vertical([Constraint::Percentage(50), Constraint::Percentage(50)]).areas(right);
        self.draw_source(frame, source, &open);
        draw_list(frame, calls, "calls", command::calls(&mut self.debugger));
        let title = format!("stack, {} deep", self.debugger.stack().len());
        draw_list(frame, stack, &title, command::stack(&self.debugger));
        let list = list(self.pane.title(), self.pane_lines()).wrap(Wrap { trim: false });
        frame.render_widget(list, pane);
        let text = Paragraph::new(self.answer.as_str()).wrap(Wrap { trim: false });
        frame.render_widget(text, answer);
        let prompt = match &self.typed {
            Some(typed) => format!(":{typed}"),
            None => KEYS.to_owned(),
        };
        let style = Style::new().add_modifier(Modifier::REVERSED);
        frame.render_widget(Paragraph::new(prompt).style(style), below);
    }

    /// The source around the innermost place that has one.
    fn draw_source(&self, frame: &mut Frame<'_>, area: Rect, open: &[OpenFrame]) {
        let rows = usize::from(area.height.saturating_sub(2));
        let found = open.iter().find_map(|open| {
            let text = command::source_around(&self.debugger, &open.place, rows / 2)?;
            Some((open, text))
        });
        let (title, lines) = match found {
            Some((open, text)) => {
                let place = &open.place;
                let file = place.file.as_deref().unwrap_or_default();
                let line = place.line.unwrap_or_default();
                let lines = text.lines().take(rows).map(|line| {
                    let style = match line.starts_with('>') {
                        true => Style::new().add_modifier(Modifier::REVERSED),
                        false => Style::new(),
                    };
                    Line::styled(line.to_owned(), style)
                });
                (format!("{file}:{line}"), lines.collect::<Vec<_>>())
            }
            None => ("no source".into(), Vec::new()),
        };
        let title = format!("{title}, cycle {}", self.debugger.cycle());
        let title = end_of(&title, usize::from(area.width.saturating_sub(2)));
        let block = Block::bordered().title(title);
        frame.render_widget(Paragraph::new(Text::from(lines)).block(block), area);
    }

    fn pane_lines(&self) -> Vec<String> {
        let debugger = &self.debugger;
        match self.pane {
            Pane::Instances => command::instances(debugger),
            Pane::Tables => command::tables(debugger),
            Pane::Memory => {
                let context = debugger.context();
                let mut lines = vec![format!("of {}", debugger.context_name(context))];
                lines.extend(command::used_lines(debugger, context));
                lines
            }
            Pane::Advice => command::advice(debugger),
            Pane::Output => debugger.printed().lines().map(ToOwned::to_owned).collect(),
        }
    }
}

/// The end of a text, which has the name of the file and the line, if there is no room for all of it.
fn end_of(text: &str, room: usize) -> String {
    let length = text.chars().count();
    if length <= room {
        return text.to_owned();
    }
    let end = text
        .chars()
        .skip(length - room.saturating_sub(1).min(length));
    std::iter::once('…').chain(end).collect()
}

fn draw_list(frame: &mut Frame<'_>, area: Rect, title: &str, lines: Vec<String>) {
    frame.render_widget(list(title, lines), area);
}

fn list(title: &str, lines: Vec<String>) -> Paragraph<'static> {
    let lines: Vec<Line<'_>> = lines.into_iter().map(Line::from).collect();
    let block = Block::bordered().title(title.to_owned());
    Paragraph::new(Text::from(lines)).block(block)
}

#[cfg(test)]
mod tests {
    use miden_cvm::{ExecutionOptions, Inputs, Loader};
    use ratatui::{Terminal, backend::TestBackend};

    use super::*;

    /// The screen as a text, after these lines.
    fn drawn(example: &str, width: u16, height: u16, lines: &[&str]) -> String {
        let path = format!("examples/{example}");
        let target = Loader::new().load(path.as_ref()).expect("an example");
        let inputs = format!("{path}/{example}.inputs");
        let inputs = Inputs::read(inputs.as_ref()).expect("its inputs");
        let options = ExecutionOptions::default();
        let debugger = Debugger::new(&target, inputs, options).expect("a run");
        let mut screen = Screen::new(debugger);
        for line in lines {
            assert!(screen.execute(line), "{line}");
        }
        let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
        terminal.draw(|frame| screen.draw(frame)).expect("drawn");
        let buffer = terminal.backend().buffer();
        let rows = buffer.content().chunks(usize::from(width));
        let rows = rows.map(|row| {
            let row: String = row.iter().map(|cell| cell.symbol()).collect();
            row.trim_end().to_owned() + "\n"
        });
        rows.collect()
    }

    #[test]
    fn the_book_shows_the_screen() {
        let screen = drawn("ledger", 100, 34, &["break instance audit", "c", "s"]);
        let book = include_str!("../../../docs/src/debugger.md");
        assert!(book.contains(&screen), "{screen}");
    }

    /// Nothing is drawn outside of the smallest terminal.
    #[test]
    fn small_terminals_are_drawn_on() {
        for (width, height) in [(1, 1), (3, 2), (20, 5), (80, 24)] {
            let screen = drawn("ledger", width, height, &["c", "bc"]);
            assert_eq!(screen.lines().count(), usize::from(height));
        }
    }
}
