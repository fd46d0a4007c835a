//! The places in the source language in the debug information of a module that was compiled.

use std::collections::HashMap;

use miden_assembly::{
    DefaultSourceManager, SourceManager,
    ast::{Block, Instruction, Module, Op},
    debuginfo::{SourceLanguage, SourceSpan, Span},
};
use miden_cvm_wasm::SourceLines;
use toml::Spanned;

use super::{CODE, WasmModule};
use crate::{assembly::SourceWarning, code::lines::place, text::document::Document};

impl WasmModule {
    /// Says of the instructions of the compiled module that they come from the lines of the source language.
    ///
    /// Its source is not at hand, so a place is a file without text, with the line in its name.
    pub(crate) fn locate(&self, modules: &mut [Box<Module>], sources: &DefaultSourceManager) {
        let Ok(lines) = &self.source_lines else {
            return;
        };
        let mut places = Places {
            lines,
            sources,
            known: HashMap::new(),
        };
        for module in modules {
            if module.path().to_relative().as_str() == CODE {
                for procedure in module.procedures_mut() {
                    places.block(procedure.body_mut());
                }
            }
        }
    }

    /// The note to be printed if the module's debug information is not used.
    pub(crate) fn line_warning(
        &self,
        document: &Document,
        place: &Spanned<String>,
    ) -> Option<SourceWarning> {
        let fault = self.source_lines.as_ref().err()?;
        let line = document.line(place.span().start);
        let message = format!(
            "the lines of the source of `{}` are not known: {fault}",
            place.get_ref()
        );
        Some(SourceWarning {
            file: document.path().into(),
            line,
            report: format!("{}:{line}: {message}", document.path().display()),
            message,
            help: Some("build the module anew, or strip its debug information".into()),
        })
    }
}

struct Places<'l> {
    lines: &'l SourceLines,
    sources: &'l DefaultSourceManager,
    known: HashMap<(&'l str, u32), SourceSpan>,
}

impl Places<'_> {
    fn block(&mut self, block: &mut Block) {
        for op in block.iter_mut() {
            match op {
                Op::Inst(instruction) => {
                    if let Some(span) = self.place(instruction.span()) {
                        let nothing = Span::unknown(Instruction::Nop);
                        *instruction = std::mem::replace(instruction, nothing).with_span(span);
                    }
                }
                Op::If {
                    span,
                    then_blk,
                    else_blk,
                } => {
                    *span = self.place(*span).unwrap_or(*span);
                    self.block(then_blk);
                    self.block(else_blk);
                }
                Op::While { span, body } | Op::Repeat { span, body, .. } => {
                    *span = self.place(*span).unwrap_or(*span);
                    self.block(body);
                }
            }
        }
    }

    /// The place in the source language of a place in the assembly.
    fn place(&mut self, span: SourceSpan) -> Option<SourceSpan> {
        let found = self.sources.file_line_col(span).ok()?;
        let (file, line) = self.lines.of(found.line.to_usize().checked_sub(1)?)?;
        let sources = self.sources;
        let place = self.known.entry((file, line)).or_insert_with(|| {
            let uri = place(file, line);
            let file = sources.load(SourceLanguage::Other("source"), uri, String::new());
            SourceSpan::at(file.id(), 0)
        });
        Some(*place)
    }
}
