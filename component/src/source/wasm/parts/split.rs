//! A component with components in it as a composition: a folder with a core module and a world for each
//! instance of a component that has code, and a composition file.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write,
    rc::Rc,
};

use miden_cvm_air::composition::MAX_INSTANCES;
use wasmparser::PrimitiveValType;

use super::{
    elaborate::{Elaborated, Function, Lift},
    exported, full,
    merge::{Imported, Linked, Linker, Names},
    types::{FunctionType, Resource, Value},
};
use crate::{
    COMPONENT_FILE,
    error::Problem,
    source::{
        new_file::NewFile,
        wasm::binary::{EXPORTED, reading, refused},
    },
};

/// The WIT package that the interfaces between the parts are in.
const PACKAGE: &str = "split:component";

/// The files of a composition that does what a component with components in it does: each instance of a
/// component becomes a component of its own, and the composition file exports what the whole does, under the
/// same names. With `only`, no other functions are exported, and what they alone need is left out.
pub(crate) fn split(
    bytes: &[u8],
    only: Option<&BTreeSet<String>>,
) -> Result<Vec<NewFile>, Problem> {
    reading(|| Split::of(&Elaborated::read(bytes)?, only))
}

/// A part of the whole: the instance of a component.
struct Part {
    module: Vec<u8>,
    imports: Vec<Imported>,
}

/// A function: its part, and its number there.
type Key = (usize, usize);

struct Split<'e, 'a> {
    whole: &'e Elaborated<'a>,
    /// The functions that are needed, by their parts, and all parts that are.
    wanted: BTreeMap<usize, BTreeSet<usize>>,
    /// The functions that the whole exports: by which interfaces and names.
    exported: BTreeMap<Key, Vec<(Option<&'a str>, &'a str)>>,
    /// The names of the functions that other parts call.
    names: BTreeMap<Key, String>,
}

fn interface(unit: usize) -> String {
    format!("part-{unit}")
}

fn resource_name(number: usize) -> String {
    format!("resource-{number}")
}

impl<'e, 'a> Split<'e, 'a> {
    fn of(
        whole: &'e Elaborated<'a>,
        only: Option<&BTreeSet<String>>,
    ) -> Result<Vec<NewFile>, Problem> {
        let mut this = Self {
            whole,
            wanted: BTreeMap::new(),
            exported: BTreeMap::new(),
            names: BTreeMap::new(),
        };
        let mut exports: BTreeMap<String, (usize, String)> = BTreeMap::new();
        let mut known = BTreeSet::new();
        for (of, name, function) in exported(whole)? {
            let full = full(of, name);
            if only.is_some_and(|only| !only.contains(&full)) {
                continue;
            }
            let Function::Lifted { unit, number } = function else {
                return Err(refused(format!("it exports `{full}` as it imports it")));
            };
            this.wanted.entry(unit).or_default().insert(number);
            let names = this.exported.entry((unit, number)).or_default();
            names.push((of, name));
            let target = of.unwrap_or(name).to_owned();
            match exports.get(&target) {
                // Functions of one interface can be of several parts.
                Some((other, _)) if *other != unit => {
                    return Err(refused(format!(
                        "the functions of its export `{target}` are of several components"
                    )));
                }
                _ => exports.insert(target.clone(), (unit, target)),
            };
            known.insert(full);
        }
        if let Some(missing) = only.and_then(|only| only.difference(&known).next()) {
            return Err(refused(format!("it exports no function `{missing}`")));
        }
        if exports.is_empty() {
            return Err(refused("it exports no function"));
        }
        let parts = this.parts()?;
        if parts.len() > MAX_INSTANCES as usize {
            return Err(refused(format!(
                "it has {} instances of components, and there can be {MAX_INSTANCES}",
                parts.len()
            )));
        }
        let mut files = Vec::new();
        let mut composition = String::from("[exports]\n");
        for (name, (unit, target)) in exports {
            let target = format!("{}.{target}", interface(unit));
            let _ = writeln!(composition, "{name:?} = {target:?}");
        }
        for (unit, part) in parts {
            let name = interface(unit);
            let _ = write!(
                composition,
                "\n[instances.{name}]\ncomponent = {name:?}\n[instances.{name}.imports]\n"
            );
            let used = this.used(unit, &part.imports);
            for other in &used {
                let other = interface(*other);
                let _ = writeln!(composition, "\"{PACKAGE}/{other}\" = {other:?}");
            }
            let outside = this.outside(unit, &used, &part.imports);
            for name in this.interfaces(&outside) {
                let _ = writeln!(composition, "{name:?} = \"import\"");
            }
            for (name, _) in this.outside_functions(&outside) {
                let _ = writeln!(composition, "{name:?} = \"import.{name}\"");
            }
            let manifest = format!("name = {name:?}\nwit = \"world.wit\"\nwasm = \"code.wasm\"\n");
            files.push(NewFile::new(format!("{name}/{COMPONENT_FILE}"), manifest));
            files.push(NewFile::new(
                format!("{name}/world.wit"),
                this.world(unit, &used, &outside)?,
            ));
            files.push(NewFile::new(format!("{name}/code.wasm"), part.module));
        }
        files.push(NewFile::new("composition.toml", composition));
        Ok(files)
    }

    /// Asks for a function of a part, which another one calls.
    fn want(&mut self, unit: usize, number: usize) {
        if self.names.contains_key(&(unit, number)) {
            return;
        }
        self.wanted.entry(unit).or_default().insert(number);
        let lift = self.lift(unit, number).and_then(|lift| lift.name);
        let is_plain = |name: &&str| {
            let mut characters = name.chars();
            characters.all(|c| c.is_ascii_alphanumeric() || c == '-')
        };
        let base = lift
            .filter(is_plain)
            .map_or("function".into(), str::to_lowercase);
        let mut name = base.clone();
        let mut other = 2;
        while self.is_taken(unit, &name) {
            name = format!("{base}-x{other}");
            other += 1;
        }
        self.names.insert((unit, number), name);
    }

    fn is_taken(&self, unit: usize, name: &str) -> bool {
        let mut names = self.names.range((unit, 0)..(unit + 1, 0));
        names.any(|(_, known)| known == name)
            || name.starts_with("resource-")
            || name.starts_with("type-")
            || name.starts_with("part-")
            || name.starts_with("outside-")
    }

    fn lift(&self, unit: usize, number: usize) -> Option<&Lift<'a>> {
        self.whole.units.get(unit)?.lifts.get(number)
    }

    fn name(&self, unit: usize, number: usize) -> String {
        let name = self.names.get(&(unit, number));
        name.cloned().unwrap_or_default()
    }

    /// The parts, each with all functions that others call.
    fn parts(&mut self) -> Result<BTreeMap<usize, Part>, Problem> {
        let mut parts: BTreeMap<usize, (Part, usize)> = BTreeMap::new();
        loop {
            let open: Vec<usize> = self
                .wanted
                .iter()
                .filter(|(unit, lifts)| parts.get(unit).is_none_or(|(_, n)| *n != lifts.len()))
                .map(|(unit, _)| *unit)
                .collect();
            if open.is_empty() {
                break;
            }
            for number in open {
                let unit = &self.whole.units[number];
                let lifts = self.wanted[&number].clone();
                let names = PartNames {
                    split: self,
                    unit: number,
                };
                let Linked {
                    module, imports, ..
                } = Linker::new(unit, &names)?.link(&lifts)?;
                for import in &imports {
                    match *import {
                        Imported::Function(Function::Lifted { unit, number: lift }) => {
                            if unit == number {
                                return Err(refused("a component in it calls itself"));
                            }
                            self.want(unit, lift);
                        }
                        Imported::Resource(_, Resource::Own { unit, .. }) => {
                            self.wanted.entry(unit).or_default();
                        }
                        // What is around the whole has it.
                        Imported::Function(Function::Imported(_))
                        | Imported::Resource(_, Resource::Imported(_)) => {}
                    }
                }
                for lift in &lifts {
                    for resource in self.resources_of(number, *lift) {
                        if let Resource::Own { unit, .. } = resource {
                            self.wanted.entry(unit).or_default();
                        }
                    }
                }
                parts.insert(number, (Part { module, imports }, lifts.len()));
            }
        }
        // The names of functions are known only now.
        let mut done = BTreeMap::new();
        for number in parts.into_keys() {
            let names = PartNames {
                split: self,
                unit: number,
            };
            let unit = &self.whole.units[number];
            let Linked {
                module, imports, ..
            } = Linker::new(unit, &names)?.link(&self.wanted[&number])?;
            done.insert(number, Part { module, imports });
        }
        Ok(done)
    }

    fn resources_of(&self, unit: usize, lift: usize) -> BTreeSet<Resource> {
        let mut found = BTreeSet::new();
        let mut seen = HashMap::new();
        if let Some(lift) = self.lift(unit, lift) {
            for ty in lift.ty.values() {
                resources(ty, &mut found, &mut seen);
            }
        }
        found
    }

    /// The other parts that one needs: what it calls, and whose resource types it has.
    fn used(&self, unit: usize, imports: &[Imported]) -> BTreeSet<usize> {
        let mut used = BTreeSet::new();
        for import in imports {
            match import {
                Imported::Function(Function::Lifted { unit, .. })
                | Imported::Resource(_, Resource::Own { unit, .. }) => {
                    used.insert(*unit);
                }
                _ => {}
            }
        }
        let mut open: Vec<usize> = used.iter().copied().chain([unit]).collect();
        while let Some(next) = open.pop() {
            for other in self.types_from(next) {
                if used.insert(other) {
                    open.push(other);
                }
            }
        }
        used.remove(&unit);
        used
    }

    /// The functions of a part that others call, by their names.
    fn called(&self, unit: usize) -> impl Iterator<Item = (usize, &str)> {
        let called = self.names.range((unit, 0)..(unit + 1, 0));
        called.map(|((_, number), name)| (*number, name.as_str()))
    }

    /// Returns `true` if a part has anything for others.
    fn has_interface(&self, unit: usize) -> bool {
        self.called(unit).next().is_some() || !self.whole.units[unit].resources.is_empty()
    }

    /// The parts whose resource types stand in the interface of one.
    fn types_from(&self, unit: usize) -> BTreeSet<usize> {
        let resources = self
            .called(unit)
            .flat_map(|(lift, _)| self.resources_of(unit, lift));
        let units = resources.filter_map(|resource| match resource {
            Resource::Own { unit: of, .. } if of != unit => Some(of),
            _ => None,
        });
        units.collect()
    }

    /// The WIT of a part.
    fn world(
        &self,
        unit: usize,
        used: &BTreeSet<usize>,
        outside: &BTreeSet<usize>,
    ) -> Result<String, Problem> {
        let mut text = format!("package {PACKAGE};\n");
        for part in used.iter().chain([&unit]) {
            if self.has_interface(*part) {
                text.push('\n');
                text.push_str(&self.interface(*part)?);
            }
        }
        // What the whole exports is exported by the part as it is there.
        let mut exports: BTreeMap<Option<&str>, Vec<(usize, &str)>> = BTreeMap::new();
        for ((_, number), names) in self.exported.range((unit, 0)..(unit + 1, 0)) {
            for (of, name) in names {
                exports.entry(*of).or_default().push((*number, name));
            }
        }
        let own = exports.remove(&None).unwrap_or_default();
        let mut printer = Printer::new(self.whole, TypeOwner::Whole);
        let functions = self.functions(unit, own.into_iter(), &mut printer)?;
        let mut imports = String::new();
        for (name, ty) in self.outside_functions(outside) {
            let ty = printer.function(ty, false)?;
            let _ = writeln!(imports, "    import %{name}: {ty};");
        }
        text.push_str("\nworld part {\n");
        for other in used {
            let _ = writeln!(text, "    import {};", interface(*other));
        }
        if self.has_interface(unit) {
            let _ = writeln!(text, "    export {};", interface(unit));
        }
        let mut packages: BTreeMap<String, String> = BTreeMap::new();
        for of in self.interfaces(outside) {
            let _ = writeln!(text, "    import {of};");
            if exports.contains_key(&Some(of)) {
                return Err(refused(format!(
                    "a component in it imports `{of}`, and the whole exports functions of it by this name"
                )));
            }
            let body = self.imported_interface(of, outside)?;
            packaged(of, &body, &mut packages)?;
        }
        for of in exports.keys().flatten() {
            let _ = writeln!(text, "    export {of};");
        }
        text.push_str(&printer.uses()?);
        text.push_str(&printer.types);
        text.push_str(&imports);
        text.push_str(&functions.replace("    %", "    export %"));
        text.push_str("}\n");
        for (of, functions) in exports {
            let mut printer = Printer::new(self.whole, TypeOwner::Whole);
            let functions = self.functions(unit, functions.into_iter(), &mut printer)?;
            let body = printer.uses()? + &printer.types + &functions;
            packaged(of.unwrap_or_default(), &body, &mut packages)?;
        }
        for (package, interfaces) in packages {
            let _ = write!(text, "\npackage {package} {{\n{interfaces}}}\n");
        }
        Ok(text)
    }

    // OUTSIDE
    // --------------------------------------------------------------------------------------------

    /// The imports of the whole that a part needs, by their numbers: functions and resource types.
    fn outside(
        &self,
        unit: usize,
        used: &BTreeSet<usize>,
        imports: &[Imported],
    ) -> BTreeSet<usize> {
        let mut outside = BTreeSet::new();
        for import in imports {
            if let Imported::Function(Function::Imported(number))
            | Imported::Resource(_, Resource::Imported(number)) = import
            {
                outside.insert(*number);
            }
        }
        // The types in all interfaces that stand in its world.
        let called = used.iter().chain([&unit]);
        let called = called.flat_map(|unit| self.called(*unit).map(|(lift, _)| (*unit, lift)));
        let exported = self.exported.range((unit, 0)..(unit + 1, 0));
        let functions = called.chain(exported.map(|(key, _)| *key));
        let mut types: BTreeSet<Resource> = functions
            .flat_map(|(unit, lift)| self.resources_of(unit, lift))
            .collect();
        let mut seen = HashMap::new();
        for number in &outside {
            if let Some(ty) = &self.whole.imports[*number].ty {
                ty.values()
                    .for_each(|ty| resources(ty, &mut types, &mut seen));
            }
        }
        outside.extend(types.into_iter().filter_map(|resource| match resource {
            Resource::Imported(number) => Some(number),
            Resource::Own { .. } => None,
        }));
        outside
    }

    /// The interfaces that these imports are of.
    fn interfaces(&self, outside: &BTreeSet<usize>) -> BTreeSet<&'a str> {
        let imports = outside.iter().map(|number| &self.whole.imports[*number]);
        imports.filter_map(|import| import.interface).collect()
    }

    /// The functions among imports that are of no interface.
    fn outside_functions(
        &self,
        outside: &BTreeSet<usize>,
    ) -> impl Iterator<Item = (&'a str, &FunctionType<'a>)> {
        let imports = outside.iter().map(|number| &self.whole.imports[*number]);
        let own = imports.filter(|import| import.interface.is_none());
        own.filter_map(|import| Some((import.name, &**import.ty.as_ref()?)))
    }

    /// The imports among these that belong to an interface imported from outside.
    fn imported_interface(
        &self,
        of: &'a str,
        outside: &BTreeSet<usize>,
    ) -> Result<String, Problem> {
        let mut printer = Printer::new(self.whole, TypeOwner::Imported(of));
        let mut members: BTreeMap<&str, String> = BTreeMap::new();
        let mut functions = String::new();
        for import in outside.iter().map(|number| &self.whole.imports[*number]) {
            if import.interface != Some(of) {
                continue;
            }
            let Some(ty) = &import.ty else {
                members.entry(import.name).or_default();
                continue;
            };
            let Some((kind, rest)) = import.name.split_once(']') else {
                let ty = printer.function(ty, false)?;
                let _ = writeln!(functions, "    %{}: {ty};", import.name);
                continue;
            };
            let (resource, name) = rest.split_once('.').unwrap_or((rest, ""));
            let members = members.entry(resource).or_default();
            let _ = match kind {
                "[method" => writeln!(members, "        %{name}: {};", printer.function(ty, true)?),
                "[static" => writeln!(
                    members,
                    "        %{name}: static {};",
                    printer.function(ty, false)?
                ),
                "[constructor" => writeln!(
                    members,
                    "        constructor({});",
                    printer.params(&ty.params)?
                ),
                _ => {
                    return Err(refused(format!(
                        "it imports a function of the kind `{}`",
                        import.name
                    )));
                }
            };
        }
        let mut body = printer.uses()? + &printer.types;
        for (resource, members) in members {
            let _ = writeln!(body, "    resource %{resource} {{\n{members}    }}");
        }
        Ok(body + &functions)
    }

    /// The interface of a part, for other parts.
    fn interface(&self, unit: usize) -> Result<String, Problem> {
        let mut printer = Printer::new(self.whole, TypeOwner::Part(unit));
        let functions = self.functions(unit, self.called(unit), &mut printer)?;
        let mut text = format!("interface {} {{\n{}", interface(unit), printer.uses()?);
        for other in self.types_from(unit) {
            let of = interface(other);
            let names = (0..self.whole.units[other].resources.len())
                .map(resource_name)
                .map(|name| format!("{name} as {of}-{name}"));
            let names = names.collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "    use {of}.{{{names}}};");
        }
        for number in 0..self.whole.units[unit].resources.len() {
            let _ = writeln!(text, "    resource {};", resource_name(number));
        }
        Ok(text + &printer.types + &functions + "}\n")
    }

    /// Functions of a part, under these names.
    fn functions<'n>(
        &self,
        unit: usize,
        functions: impl Iterator<Item = (usize, &'n str)>,
        printer: &mut Printer<'_, 'a>,
    ) -> Result<String, Problem> {
        let mut text = String::new();
        for (number, name) in functions {
            let Some(lift) = self.lift(unit, number) else {
                continue;
            };
            if name.contains('[') {
                return Err(refused(format!(
                    "its export `{name}` belongs to a resource type, and those of components in it \
                     cannot be exported"
                )));
            }
            let _ = writeln!(text, "    %{name}: {};", printer.function(&lift.ty, false)?);
        }
        Ok(text)
    }
}

/// Adds the resource types that a type is made of.
fn resources<'a>(
    ty: &Rc<Value<'a>>,
    found: &mut BTreeSet<Resource>,
    seen: &mut HashMap<*const Value<'a>, ()>,
) {
    if let Value::Own(resource) | Value::Borrow(resource) = **ty {
        found.insert(resource);
    }
    if seen.insert(Rc::as_ptr(ty), ()).is_none() {
        for part in ty.parts() {
            resources(part, found, seen);
        }
    }
}

/// The names of a part of a component.
struct PartNames<'s, 'e, 'a> {
    split: &'s Split<'e, 'a>,
    unit: usize,
}

impl Names for PartNames<'_, '_, '_> {
    fn import(&self, import: Imported) -> Result<(String, String), Problem> {
        Ok(match import {
            Imported::Function(Function::Lifted { unit, number }) => (
                format!("{PACKAGE}/{}", interface(unit)),
                self.split.name(unit, number),
            ),
            Imported::Resource(kind, Resource::Own { unit, number }) => {
                let module = format!("{PACKAGE}/{}", interface(unit));
                let module = match unit == self.unit {
                    true => format!("{EXPORTED}{module}"),
                    false => module,
                };
                (module, format!("{kind}{}", resource_name(number)))
            }
            Imported::Function(Function::Imported(number)) => {
                let (module, name) = self.split.whole.outside(number)?;
                (module.into(), name.into())
            }
            Imported::Resource(kind, Resource::Imported(number)) => {
                let (module, name) = self.split.whole.outside(number)?;
                (module.into(), format!("{kind}{name}"))
            }
        })
    }

    fn exports(&self, lift: usize) -> Vec<String> {
        let key = (self.unit, lift);
        let called = self.split.names.get(&key);
        let called = called.map(|name| format!("{PACKAGE}/{}#{name}", interface(self.unit)));
        let exported = self.split.exported.get(&key).into_iter().flatten();
        let exported = exported.map(|(of, name)| full(*of, name));
        called.into_iter().chain(exported).collect()
    }

    fn destructor(&self, resource: usize) -> Option<String> {
        let name = resource_name(resource);
        Some(format!("{PACKAGE}/{}#[dtor]{name}", interface(self.unit)))
    }
}

/// Adds an interface to its package.
fn packaged(of: &str, body: &str, packages: &mut BTreeMap<String, String>) -> Result<(), Problem> {
    let Some((package, rest)) = of.split_once('/') else {
        return Err(refused(format!("`{of}` is an interface without a package")));
    };
    let (name, version) = match rest.split_once('@') {
        Some((name, version)) => (name, format!("@{version}")),
        None => (rest, String::new()),
    };
    let interfaces = packages.entry(format!("{package}{version}")).or_default();
    let _ = write!(interfaces, "interface {name} {{\n{body}}}\n");
    Ok(())
}

/// The interface or world that owns types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TypeOwner<'a> {
    /// In the interface of a part, for other parts.
    Part(usize),
    /// In an interface that the whole exports, or in the world.
    Whole,
    /// In an interface that is imported from outside.
    Imported(&'a str),
}

/// Writes types, each once.
struct Printer<'e, 'a> {
    whole: &'e Elaborated<'a>,
    owner: TypeOwner<'a>,
    /// The resource types of interfaces from outside that stand in other ones.
    used: BTreeSet<usize>,
    types: String,
    known: HashMap<*const Value<'a>, String>,
    count: usize,
}

impl<'e, 'a> Printer<'e, 'a> {
    fn new(whole: &'e Elaborated<'a>, owner: TypeOwner<'a>) -> Self {
        Self {
            whole,
            owner,
            used: BTreeSet::new(),
            types: String::new(),
            known: HashMap::new(),
            count: 0,
        }
    }

    /// The `use` lines that bring the resource types of other interfaces here.
    fn uses(&self) -> Result<String, Problem> {
        let mut text = String::new();
        for number in &self.used {
            let (interface, name) = self.whole.outside(*number)?;
            let _ = writeln!(text, "    use {interface}.{{%{name} as outside-{number}}};");
        }
        Ok(text)
    }

    /// The type of a function; of a method without the resource itself.
    fn function(&mut self, ty: &FunctionType<'a>, is_method: bool) -> Result<String, Problem> {
        if ty.is_async {
            return Err(refused("it has async functions"));
        }
        let params = self.params(&ty.params[usize::from(is_method).min(ty.params.len())..])?;
        let result = match &ty.result {
            Some(ty) => format!(" -> {}", self.value(ty)?),
            None => String::new(),
        };
        Ok(format!("func({params}){result}"))
    }

    fn params(&mut self, params: &[(&'a str, Rc<Value<'a>>)]) -> Result<String, Problem> {
        let mut text = Vec::new();
        for (name, ty) in params {
            text.push(format!("%{name}: {}", self.value(ty)?));
        }
        Ok(text.join(", "))
    }

    fn value(&mut self, ty: &Rc<Value<'a>>) -> Result<String, Problem> {
        let key = Rc::as_ptr(ty);
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let optional = |this: &mut Self, ty: &Option<Rc<Value<'a>>>| match ty {
            Some(ty) => this.value(ty),
            None => Ok("_".into()),
        };
        let (kind, text) = match &**ty {
            Value::Primitive(ty) => return primitive(*ty).map(Into::into),
            Value::Own(resource) => return self.resource(*resource),
            Value::Borrow(resource) => {
                return Ok(format!("borrow<{}>", self.resource(*resource)?));
            }
            Value::Unsupported(what) => {
                return Err(refused(format!("a function of it has the type `{what}`")));
            }
            Value::Record(fields) => {
                let mut text = Vec::new();
                for (name, ty) in fields {
                    text.push(format!("%{name}: {}", self.value(ty)?));
                }
                ("record", text.join(", "))
            }
            Value::Variant(cases) => {
                let mut text = Vec::new();
                for (name, ty) in cases {
                    text.push(match ty {
                        Some(ty) => format!("%{name}({})", self.value(ty)?),
                        None => format!("%{name}"),
                    });
                }
                ("variant", text.join(", "))
            }
            Value::Flags(names) => ("flags", names_of(names)),
            Value::Enum(names) => ("enum", names_of(names)),
            Value::List(element) => ("type", format!("list<{}>", self.value(element)?)),
            Value::Option(ty) => ("type", format!("option<{}>", self.value(ty)?)),
            Value::Tuple(types) => {
                let mut text = Vec::new();
                for ty in types {
                    text.push(self.value(ty)?);
                }
                ("type", format!("tuple<{}>", text.join(", ")))
            }
            Value::Result(None, None) => ("type", "result".into()),
            Value::Result(ok, err) => {
                let (ok, err) = (optional(self, ok)?, optional(self, err)?);
                ("type", format!("result<{ok}, {err}>").replace(", _>", ">"))
            }
        };
        let name = format!("type-{}", self.count);
        self.count += 1;
        let _ = match kind {
            "type" => writeln!(self.types, "    type {name} = {text};"),
            kind => writeln!(self.types, "    {kind} {name} {{ {text} }}"),
        };
        self.known.insert(key, name.clone());
        Ok(name)
    }

    fn resource(&mut self, resource: Resource) -> Result<String, Problem> {
        match (resource, self.owner) {
            (Resource::Own { unit, number }, TypeOwner::Part(own)) if unit == own => {
                Ok(resource_name(number))
            }
            (Resource::Own { unit, number }, TypeOwner::Part(_)) => {
                Ok(format!("{}-{}", interface(unit), resource_name(number)))
            }
            (Resource::Own { .. }, TypeOwner::Whole | TypeOwner::Imported(_)) => Err(refused(
                "a function that it exports has handles, and those of components in it cannot leave it",
            )),
            (Resource::Imported(number), owner) => {
                let import = self.whole.imports.get(number);
                let Some((of, import)) = import.and_then(|i| Some((i.interface?, i))) else {
                    return Err(refused(
                        "a function of it has handles of a type that its world imports by itself",
                    ));
                };
                if owner == TypeOwner::Imported(of) {
                    return Ok(format!("%{}", import.name));
                }
                self.used.insert(number);
                Ok(format!("outside-{number}"))
            }
        }
    }
}

fn names_of(names: &[&str]) -> String {
    let names = names.iter().map(|name| format!("%{name}"));
    names.collect::<Vec<_>>().join(", ")
}

fn primitive(ty: PrimitiveValType) -> Result<&'static str, Problem> {
    Ok(match ty {
        PrimitiveValType::Bool => "bool",
        PrimitiveValType::S8 => "s8",
        PrimitiveValType::U8 => "u8",
        PrimitiveValType::S16 => "s16",
        PrimitiveValType::U16 => "u16",
        PrimitiveValType::S32 => "s32",
        PrimitiveValType::U32 => "u32",
        PrimitiveValType::S64 => "s64",
        PrimitiveValType::U64 => "u64",
        PrimitiveValType::Char => "char",
        PrimitiveValType::String => "string",
        PrimitiveValType::F32 | PrimitiveValType::F64 => {
            return Err(refused("a function of it has floats"));
        }
        PrimitiveValType::ErrorContext => {
            return Err(refused("a function of it has the type `error-context`"));
        }
    })
}
