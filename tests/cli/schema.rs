//! The schemas that a chapter of the book has as tables, and what they say of a value.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use serde_json::{Map, Value};

/// The table of a section: rows of path and type.
#[derive(Default)]
pub struct Section<'a> {
    /// The section whose fields are there too.
    includes: Option<&'a str>,
    pub rows: Vec<(String, String)>,
}

/// The book's formats, and what of them was there.
pub struct Formats<'a> {
    pub sections: BTreeMap<String, Section<'a>>,
    pub seen: RefCell<BTreeSet<(String, String)>>,
}

/// A field as a section lists it.
#[derive(Clone, Copy)]
struct Field<'a> {
    section: &'a str,
    path: &'a str,
    ty: &'a str,
}

impl<'a> Formats<'a> {
    pub fn read(book: &'a str) -> Self {
        let mut sections: BTreeMap<String, Section<'_>> = BTreeMap::new();
        let mut heading = String::new();
        for line in book.lines() {
            if line.starts_with("## ") {
                heading.clear();
            }
            if let Some(title) = line.strip_prefix("### ") {
                heading = title.replace('`', "");
                sections.insert(heading.clone(), Section::default());
            }
            let Some(section) = sections.get_mut(&heading) else {
                continue;
            };
            if let Some(included) = line.strip_prefix("The fields of [") {
                section.includes = included.split(']').next();
            }
            if let Some(row) = line.strip_prefix("| `") {
                let (path, rest) = row.split_once("` | ").expect("a path");
                let ty = rest.split(" |").next().expect("a type");
                // A link to another section is its name.
                let ty = match ty.split_once('[') {
                    Some((before, link)) => {
                        let name = link.split(']').next().expect("a name");
                        format!("{before}{name}")
                    }
                    None => ty.into(),
                };
                section.rows.push((path.into(), ty));
            }
        }
        Self {
            sections,
            seen: RefCell::default(),
        }
    }

    /// The fields of a section that are right below a path.
    fn fields(&self, name: &str, prefix: &str) -> BTreeMap<&str, Field<'_>> {
        let (name, section) = self.sections.get_key_value(name).expect("a section");
        let mut fields = match section.includes {
            Some(included) if prefix.is_empty() => self.fields(included, ""),
            _ => BTreeMap::new(),
        };
        for (path, ty) in &section.rows {
            if let Some(key) = path.strip_prefix(prefix)
                && !key.contains(['.', '['])
            {
                let section = name;
                fields.insert(key, Field { section, path, ty });
            }
        }
        fields
    }

    /// Checks an object whose fields a section lists below a path.
    pub fn object(
        &self,
        name: &str,
        prefix: &str,
        object: &Map<String, Value>,
    ) -> Result<(), String> {
        let fields = self.fields(name, prefix);
        for (key, value) in object {
            let field = fields.get(key.as_str());
            let field = field.ok_or_else(|| format!("{name}: no `{prefix}{key}`, {value}"))?;
            let Field { section, path, ty } = *field;
            self.seen.borrow_mut().insert((section.into(), path.into()));
            let ty = ty.strip_prefix("optional ").unwrap_or(ty);
            self.value(Field { ty, ..*field }, path, value)?;
        }
        for (key, Field { path, ty, .. }) in fields {
            if !object.contains_key(key) && !ty.starts_with("optional ") {
                return Err(format!("{name}: `{path}` is missing"));
            }
        }
        Ok(())
    }

    /// Checks a value of a field, or a value in it, which is at `path`.
    fn value(&self, field: Field<'_>, path: &str, value: &Value) -> Result<(), String> {
        let Field { section, ty, .. } = field;
        let inner = |ty| Field { ty, ..field };
        let fits = match (ty, value) {
            ("text", Value::String(_))
            | ("number", Value::Number(_))
            | ("bool", Value::Bool(_))
            | ("null", Value::Null) => true,
            ("object", Value::Object(object)) => {
                return self.object(section, &format!("{path}."), object);
            }
            _ => false,
        };
        if fits {
            return Ok(());
        }
        if let (Some(ty), Value::Array(values)) = (ty.strip_prefix("list of "), value) {
            let path = format!("{path}[]");
            let mut values = values.iter();
            return values.try_for_each(|value| self.value(inner(ty), &path, value));
        }
        if let (Some(ty), Value::Object(values)) = (ty.strip_prefix("map of "), value) {
            let path = format!("{path}.<>");
            let mut values = values.values();
            return values.try_for_each(|value| self.value(inner(ty), &path, value));
        }
        if !ty.starts_with("list of ")
            && !ty.starts_with("map of ")
            && let Some((first, second)) = ty.split_once(" or ")
        {
            let first = self.value(inner(first), path, value);
            return first.or_else(|_| self.value(inner(second), path, value));
        }
        match value {
            Value::Object(object) if self.sections.contains_key(ty) => self.object(ty, "", object),
            _ => Err(format!("{section}: `{path}` is no {ty}: {value}")),
        }
    }

    /// Checks a whole file, or the whole of an answer.
    pub fn check(&self, section: &str, value: &Value) {
        let object = value.as_object().expect("an object");
        if let Err(error) = self.object(section, "", object) {
            panic!("{error}");
        }
    }

    /// Checks the keys of a table, or of an object: those that the refusal of another one, `zzz`, names.
    pub fn keys(&self, section: &str, prefix: &str, error: &str) {
        let (_, names) = error.split_once("`zzz`, expected ").expect("the keys");
        let names = names.lines().next().expect("a line").split('`').skip(1);
        let names: BTreeSet<&str> = names.step_by(2).collect();
        let fields = self.fields(section, prefix);
        assert_eq!(fields.keys().copied().collect::<BTreeSet<_>>(), names);
        let paths = fields
            .values()
            .map(|field| (section.into(), field.path.into()));
        self.seen.borrow_mut().extend(paths);
    }

    /// Checks that everything that the book lists was there.
    pub fn is_complete(&self) {
        let rows = self.sections.iter().flat_map(|(name, section)| {
            let rows = section.rows.iter();
            rows.map(|(path, _)| (name.clone(), path.clone()))
        });
        let seen = self.seen.borrow();
        let unseen: Vec<_> = rows.filter(|row| !seen.contains(row)).collect();
        assert!(unseen.is_empty(), "never there: {unseen:#?}");
    }
}
