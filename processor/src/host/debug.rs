use core::fmt;

use miden_core::{DebugOptions, FMP_ADDR, Felt};

use crate::machine::view::ProcessState;

/// The id of trace decorators that print a text: its bytes are elements of memory, from the address on top
/// of the stack on, and their number is below that. They are reached whenever decorators are run.
pub const TEXT_TRACE: u32 = u32::from_be_bytes(*b"text");

/// The most bytes of a text that are printed.
const MAX_TEXT: u32 = 1 << 16;

/// Writes to the standard output.
#[derive(Debug, Clone, Copy, Default)]
pub struct StdoutWriter;

impl fmt::Write for StdoutWriter {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        use std::io::Write;
        std::io::stdout()
            .write_all(s.as_bytes())
            .map_err(|_| fmt::Error)
    }
}

/// Prints what debug decorators ask for.
#[derive(Debug, Clone, Default)]
pub struct DebugPrinter<W = StdoutWriter> {
    writer: W,
}

impl<W> DebugPrinter<W> {
    /// Returns a printer that writes to `writer`.
    pub fn new(writer: W) -> Self {
        Self { writer }
    }

    /// Where the output goes.
    pub fn writer(&self) -> &W {
        &self.writer
    }
}

impl<W: fmt::Write> DebugPrinter<W> {
    /// Prints what a debug decorator asks for.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn print(&mut self, state: &ProcessState<'_>, options: &DebugOptions) -> fmt::Result {
        let ctx = state.ctx();
        match *options {
            DebugOptions::StackAll => self.print_stack("stack", state, state.get_stack_state(), 0),
            DebugOptions::StackTop(n) => {
                self.print_stack("stack", state, state.get_stack_state(), n.into())
            }
            DebugOptions::AdvStackTop(n) => {
                let stack = state
                    .advice_provider()
                    .stack()
                    .iter()
                    .rev()
                    .copied()
                    .collect();
                self.print_stack("advice stack", state, stack, n.into())
            }
            DebugOptions::MemAll => {
                self.heading(state, format_args!("memory of context {ctx}"))?;
                for (addr, value) in state.get_mem_state(ctx) {
                    self.item(format_args!("{addr:#010x}"), Some(value))?;
                }
                Ok(())
            }
            DebugOptions::MemInterval(first, last) => {
                self.heading(
                    state,
                    format_args!("memory of context {ctx}, {first}..={last}"),
                )?;
                for addr in first..=last {
                    self.item(format_args!("{addr:#010x}"), state.get_mem_value(ctx, addr))?;
                }
                Ok(())
            }
            DebugOptions::LocalInterval(first, last, count) => {
                self.heading(state, format_args!("locals {first}..={last}"))?;
                let frame = state
                    .get_mem_value(ctx, FMP_ADDR.as_int() as u32)
                    .map(|pointer| pointer.as_int() as u32)
                    .and_then(|pointer| pointer.checked_sub(count.into()));
                for local in first..=last {
                    let value = frame
                        .and_then(|frame| frame.checked_add(local.into()))
                        .and_then(|addr| state.get_mem_value(ctx, addr));
                    self.item(format_args!("{local}"), value)?;
                }
                Ok(())
            }
        }
    }

    /// Prints that a trace decorator was reached, or the text that it is about.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn print_trace(&mut self, state: &ProcessState<'_>, trace_id: u32) -> fmt::Result {
        if trace_id == TEXT_TRACE {
            return self.writer.write_str(&text(state));
        }
        writeln!(
            self.writer,
            "trace {trace_id} reached before cycle {} in context {}",
            state.clk(),
            state.ctx()
        )
    }

    fn print_stack(
        &mut self,
        name: &str,
        state: &ProcessState<'_>,
        elements: Vec<Felt>,
        count: usize,
    ) -> fmt::Result {
        self.heading(state, format_args!("{name}, {} elements", elements.len()))?;
        let shown = if count == 0 { elements.len() } else { count };
        for position in 0..shown {
            self.item(format_args!("{position}"), elements.get(position).copied())?;
        }
        Ok(())
    }

    fn heading(&mut self, state: &ProcessState<'_>, what: fmt::Arguments<'_>) -> fmt::Result {
        writeln!(self.writer, "{what}, before cycle {}:", state.clk())
    }

    fn item(&mut self, label: fmt::Arguments<'_>, value: Option<Felt>) -> fmt::Result {
        match value {
            Some(value) => writeln!(self.writer, "  {label}: {value}"),
            None => writeln!(self.writer, "  {label}: empty"),
        }
    }
}

/// The text that a decorator prints.
fn text(state: &ProcessState<'_>) -> String {
    let [first, length] = [0, 1].map(|place| {
        let element = state.get_stack_item(place).as_int();
        u32::try_from(element).unwrap_or_default()
    });
    let bytes = (0..length.min(MAX_TEXT)).map(|number| {
        let address = first.checked_add(number);
        let byte = address.and_then(|address| state.get_mem_value(state.ctx(), address));
        byte.map_or(0, |byte| byte.as_int() as u8)
    });
    String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
}
