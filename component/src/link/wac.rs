//! Compositions as WAC documents, which tools of the component ecosystem write.
//!
//! `new bank:ledger { … }` is an instance of the component, or composition, at `deps/bank/ledger`
//! beside the document: a folder, or a file with one of the endings `.masp`, `.toml` and `.wac`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use toml::Spanned;
use wac_parser::{
    Document as Wac, Error as WacError, ExportOptions, Expr, ExternName, ImportType,
    InstantiationArgument, NewExpr, PostfixExpr, PrimaryExpr, Statement, TypeStatement,
};

use crate::{
    error::{BuildError, Problem},
    link::file::{CompositionFile, InstanceEntry, OUTSIDE, split_target},
    text::{document::Document, nesting::bracket_too_deep},
};

/// The name of the export that runs.
const MAIN: &str = "main";

/// Reads a document.
pub(crate) fn parse(document: &Document) -> Result<CompositionFile, BuildError> {
    if let Some(line) = bracket_too_deep(document.text()) {
        return Err(BuildError::new(
            document.path(),
            Some(line),
            Problem::Brackets,
        ));
    }
    let wac = Wac::parse(document.text()).map_err(|error| {
        let problem = Problem::Wac(error.to_string());
        document.error(place(&error), problem)
    })?;
    if let Some(world) = &wac.directive.targets {
        let problem = Problem::WacUnsupported("a world that they target");
        return Err(document.error(range(world.span.offset(), world.span.len()), problem));
    }
    let mut reader = Reader {
        document,
        package: wac.directive.package.name,
        file: CompositionFile {
            main: None,
            kernel: None,
            libraries: Vec::new(),
            exports: BTreeMap::new(),
            export_all: Vec::new(),
            declared: BTreeSet::new(),
            instances: BTreeMap::new(),
        },
        names: BTreeMap::new(),
        taken: BTreeSet::new(),
    };
    for statement in &wac.statements {
        if let Statement::Let(statement) = statement {
            reader.taken.insert(statement.id.string.to_owned());
        }
    }
    for statement in &wac.statements {
        reader.statement(statement)?;
    }
    Ok(reader.file)
}

fn place(error: &WacError) -> Range<usize> {
    let span = match error {
        WacError::Lexer { span, .. }
        | WacError::Expected { span, .. }
        | WacError::ExpectedEither { span, .. }
        | WacError::ExpectedMultiple { span, .. }
        | WacError::EmptyType { span, .. }
        | WacError::InvalidVersion { span, .. } => span,
    };
    range(span.offset(), span.len())
}

fn range(offset: usize, len: usize) -> Range<usize> {
    offset..offset + len
}

struct Reader<'a> {
    document: &'a Document,
    /// The package that the document is.
    package: &'a str,
    file: CompositionFile,
    /// The meaning of each name: an instance, or an export of one.
    names: BTreeMap<String, String>,
    /// Names that instances without one cannot get.
    taken: BTreeSet<String>,
}

impl Reader<'_> {
    fn statement(&mut self, statement: &Statement<'_>) -> Result<(), BuildError> {
        match statement {
            Statement::Import(import) => {
                let id = import.id.string;
                let name = match (&import.name, &import.ty) {
                    (Some(ExternName::Ident(ident)), _) => ident.string.to_owned(),
                    (Some(ExternName::String(string)), _) => string.value.to_owned(),
                    (None, ImportType::Package(path)) => path.string.to_owned(),
                    (None, _) => id.to_owned(),
                };
                let span = import.id.span;
                let place = range(span.offset(), span.len());
                let value = format!("{OUTSIDE}.{name}");
                if !self.file.declared.insert(name) {
                    return Err(self.document.error(place, Problem::WacTwice(value)));
                }
                self.define(id, value, place)
            }
            Statement::Type(statement) => {
                let id = match statement {
                    TypeStatement::Interface(interface) => &interface.id,
                    TypeStatement::World(world) => &world.id,
                    TypeStatement::Type(declared) => declared.id(),
                };
                let place = range(id.span.offset(), id.span.len());
                let problem = Problem::WacUnsupported("types of its own");
                Err(self.document.error(place, problem))
            }
            Statement::Let(statement) => {
                let id = statement.id.string;
                let span = statement.id.span;
                let value = self.expression(&statement.expr, Some(id))?;
                self.define(id, value, range(span.offset(), span.len()))
            }
            Statement::Export(export) => {
                let span = export.expr.span;
                let place = range(span.offset(), span.len());
                let value = self.expression(&export.expr, None)?;
                let value = Spanned::new(place.clone(), value);
                let name = match &export.options {
                    ExportOptions::Spread(_) => {
                        self.file.export_all.push(value);
                        return Ok(());
                    }
                    ExportOptions::Rename(ExternName::Ident(ident)) => ident.string.to_owned(),
                    ExportOptions::Rename(ExternName::String(string)) => string.value.to_owned(),
                    ExportOptions::None => match value.get_ref().split_once('.') {
                        Some((_, name)) => name.to_owned(),
                        None => {
                            let problem = Problem::WacExport(value.get_ref().clone());
                            return Err(self.document.error(place, problem));
                        }
                    },
                };
                if self.file.exports.contains_key(name.as_str()) {
                    return Err(self.document.error(place, Problem::ExportTwice(name)));
                }
                if name == MAIN {
                    self.file.main = Some(value.clone());
                }
                self.file.exports.insert(Spanned::new(place, name), value);
                Ok(())
            }
        }
    }

    /// Gives a name its meaning; it can have only one.
    fn define(&mut self, id: &str, value: String, place: Range<usize>) -> Result<(), BuildError> {
        match self.names.insert(id.to_owned(), value) {
            Some(_) => Err(self.document.error(place, Problem::WacTwice(id.into()))),
            None => Ok(()),
        }
    }

    /// Returns what an expression stands for: `instance`, or `instance.export`. `name` is that of
    /// an instance that it makes.
    fn expression(&mut self, expr: &Expr<'_>, name: Option<&str>) -> Result<String, BuildError> {
        let mut value = match &expr.primary {
            PrimaryExpr::New(new) => self.instance(new, name)?,
            PrimaryExpr::Nested(nested) => self.expression(&nested.inner, name)?,
            PrimaryExpr::Ident(ident) => match self.names.get(ident.string) {
                Some(value) => value.clone(),
                None => {
                    let place = range(ident.span.offset(), ident.span.len());
                    return Err(self.unknown(ident.string, place));
                }
            },
        };
        for postfix in &expr.postfix {
            let export = match postfix {
                PostfixExpr::Access(access) => access.id.string,
                PostfixExpr::NamedAccess(access) => access.string.value,
            };
            // A function of an interface is written behind it.
            value.push(if value.contains('.') { '#' } else { '.' });
            value.push_str(export);
        }
        Ok(value)
    }

    fn instance(&mut self, new: &NewExpr<'_>, name: Option<&str>) -> Result<String, BuildError> {
        let place = range(new.span.offset(), new.span.len());
        let mut folder = format!("deps/{}", new.package.name.replace(':', "/"));
        if new.package.name == self.package {
            return Err(self
                .document
                .error(place, Problem::CompositionCycle(folder.into())));
        }
        if let Some(version) = &new.package.version {
            folder.push_str(&format!("/{version}"));
        }
        let last = new.arguments.len().saturating_sub(1);
        let mut entry = InstanceEntry {
            component: Spanned::new(place.clone(), folder),
            imports: BTreeMap::new(),
            claimed: false,
            installs: None,
            others: Vec::new(),
        };
        for (number, argument) in new.arguments.iter().enumerate() {
            match argument {
                InstantiationArgument::Inferred(ident) => {
                    let place = range(ident.span.offset(), ident.span.len());
                    let value = self.name(ident.string, place.clone())?;
                    let key = Spanned::new(place, ident.string.to_owned());
                    self.argument(&mut entry, key, value)?;
                }
                InstantiationArgument::Spread(ident) => {
                    let place = range(ident.span.offset(), ident.span.len());
                    let value = self.name(ident.string, place.clone())?;
                    if value.get_ref().contains('.') && split_target(value.get_ref()).0 != OUTSIDE {
                        let problem = Problem::NotAnInstance(value.into_inner());
                        return Err(self.document.error(place, problem));
                    }
                    entry.others.push(value);
                }
                InstantiationArgument::Named(argument) => {
                    let span = argument.name.span();
                    let key = Spanned::new(
                        range(span.offset(), span.len()),
                        argument.name.as_str().to_owned(),
                    );
                    let span = argument.expr.span;
                    let value = self.expression(&argument.expr, None)?;
                    let value = Spanned::new(range(span.offset(), span.len()), value);
                    self.argument(&mut entry, key, value)?;
                }
                InstantiationArgument::Fill(span) => {
                    let place = range(span.offset(), span.len());
                    if number != last {
                        return Err(self.document.error(place, Problem::FillNotLast));
                    }
                    entry.others.push(Spanned::new(place, OUTSIDE.into()));
                }
            }
        }
        let name = match name {
            Some(name) => name.to_owned(),
            None => self.free_name(new.package.name),
        };
        self.file
            .instances
            .insert(Spanned::new(place, name.clone()), entry);
        Ok(name)
    }

    /// Adds an argument; each import can have one.
    fn argument(
        &self,
        entry: &mut InstanceEntry,
        key: Spanned<String>,
        value: Spanned<String>,
    ) -> Result<(), BuildError> {
        if let Some((first, _)) = entry.imports.get_key_value(key.get_ref().as_str()) {
            let problem = Problem::WiredTwice {
                import: key.get_ref().clone(),
                first: first.get_ref().clone(),
                second: key.get_ref().clone(),
            };
            return Err(self.document.error_at(&key, problem));
        }
        entry.imports.insert(key, value);
        Ok(())
    }

    fn name(&self, name: &str, place: Range<usize>) -> Result<Spanned<String>, BuildError> {
        match self.names.get(name) {
            Some(value) => Ok(Spanned::new(place, value.clone())),
            None => Err(self.unknown(name, place)),
        }
    }

    /// The error of a name that stands for nothing.
    fn unknown(&self, name: &str, place: Range<usize>) -> BuildError {
        let error = self
            .document
            .error(place, Problem::UnknownInstance(name.into()));
        error.with_similar(name, self.names.keys())
    }

    /// A name for an instance that has none, after its package.
    fn free_name(&mut self, package: &str) -> String {
        let base = package.rsplit(':').next().unwrap_or(package);
        let mut name = base.to_owned();
        let mut number = 2;
        while !self.taken.insert(name.clone()) {
            name = format!("{base}-{number}");
            number += 1;
        }
        name
    }
}
