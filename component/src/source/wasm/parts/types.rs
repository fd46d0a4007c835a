//! Types of component functions.

use std::{collections::HashMap, rc::Rc};

use wasmparser::{
    ComponentDefinedType, ComponentFuncType, ComponentValType, InstanceTypeDeclaration,
    PrimitiveValType,
};

/// The number of a scope.
pub(super) type ScopeId = usize;

/// Types by their indices.
pub(super) trait Types<'a> {
    fn ty(&self, index: u32) -> Ty<'a>;

    fn value(&self, ty: ComponentValType) -> Rc<Value<'a>> {
        match ty {
            ComponentValType::Primitive(ty) => Rc::new(Value::Primitive(ty)),
            ComponentValType::Type(index) => match self.ty(index) {
                Ty::Value(value) => value,
                _ => Rc::new(Value::Unsupported("a type that is no value's")),
            },
        }
    }
}

/// The type that an index stands for.
#[derive(Debug, Clone)]
pub(super) enum Ty<'a> {
    Value(Rc<Value<'a>>),
    Resource(Resource),
    Function(Rc<FunctionType<'a>>),
    /// The declarations of an instance's type, and where they stand.
    Instance(Rc<[InstanceTypeDeclaration<'a>]>, ScopeId),
    /// The type of a component, which nothing here depends on.
    Other,
}

/// A resource type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Resource {
    /// It is defined by a component's instance.
    Own { unit: usize, number: usize },
    /// It is imported: the number of the import.
    Imported(usize),
}

/// A type of values.
#[derive(Debug)]
pub(super) enum Value<'a> {
    Primitive(PrimitiveValType),
    Record(Vec<(&'a str, Rc<Value<'a>>)>),
    Variant(Vec<(&'a str, Option<Rc<Value<'a>>>)>),
    List(Rc<Value<'a>>),
    Tuple(Vec<Rc<Value<'a>>>),
    Flags(Vec<&'a str>),
    Enum(Vec<&'a str>),
    Option(Rc<Value<'a>>),
    Result(Option<Rc<Value<'a>>>, Option<Rc<Value<'a>>>),
    Own(Resource),
    Borrow(Resource),
    /// A type that has no form here, by its name.
    Unsupported(&'static str),
}

/// The type of a function.
#[derive(Debug)]
pub(super) struct FunctionType<'a> {
    pub(super) is_async: bool,
    pub(super) params: Vec<(&'a str, Rc<Value<'a>>)>,
    pub(super) result: Option<Rc<Value<'a>>>,
}

impl<'a> FunctionType<'a> {
    pub(super) fn of(ty: &ComponentFuncType<'a>, scope: &impl Types<'a>) -> Self {
        let params = ty.params.iter();
        Self {
            is_async: ty.async_,
            params: params.map(|(name, ty)| (*name, scope.value(*ty))).collect(),
            result: ty.result.map(|ty| scope.value(ty)),
        }
    }

    /// The types of its parameters and its result.
    pub(super) fn values(&self) -> impl Iterator<Item = &Rc<Value<'a>>> {
        let params = self.params.iter().map(|(_, ty)| ty);
        params.chain(&self.result)
    }

    /// Returns `true` if strings are among its values.
    pub(super) fn has_strings(&self) -> bool {
        let is_string = |ty: &Value<'_>| matches!(ty, Value::Primitive(PrimitiveValType::String));
        let mut seen = HashMap::new();
        self.values().any(|ty| any(ty, &is_string, &mut seen))
    }
}

/// Returns `true` if a type, or one that it is made of, is as `wanted`.
fn any<'a>(
    ty: &Rc<Value<'a>>,
    wanted: &impl Fn(&Value<'a>) -> bool,
    seen: &mut HashMap<*const Value<'a>, ()>,
) -> bool {
    wanted(ty)
        || seen.insert(Rc::as_ptr(ty), ()).is_none()
            && ty.parts().into_iter().any(|part| any(part, wanted, seen))
}

impl<'a> Value<'a> {
    pub(super) fn of(ty: &ComponentDefinedType<'a>, scope: &impl Types<'a>) -> Self {
        let value = |ty: &ComponentValType| scope.value(*ty);
        match ty {
            ComponentDefinedType::Primitive(ty) => Self::Primitive(*ty),
            ComponentDefinedType::Record(fields) => {
                let fields = fields.iter();
                Self::Record(fields.map(|(name, ty)| (*name, value(ty))).collect())
            }
            ComponentDefinedType::Variant(cases) => {
                let cases = cases.iter();
                let cases = cases.map(|case| (case.name, case.ty.as_ref().map(value)));
                Self::Variant(cases.collect())
            }
            ComponentDefinedType::List(element) => Self::List(value(element)),
            ComponentDefinedType::Tuple(types) => Self::Tuple(types.iter().map(value).collect()),
            ComponentDefinedType::Flags(names) => Self::Flags(names.to_vec()),
            ComponentDefinedType::Enum(names) => Self::Enum(names.to_vec()),
            ComponentDefinedType::Option(ty) => Self::Option(value(ty)),
            ComponentDefinedType::Result { ok, err } => {
                Self::Result(ok.as_ref().map(value), err.as_ref().map(value))
            }
            ComponentDefinedType::Own(index) => match scope.ty(*index) {
                Ty::Resource(resource) => Self::Own(resource),
                _ => Self::Unsupported("own"),
            },
            ComponentDefinedType::Borrow(index) => match scope.ty(*index) {
                Ty::Resource(resource) => Self::Borrow(resource),
                _ => Self::Unsupported("borrow"),
            },
            ComponentDefinedType::Map(..) => Self::Unsupported("map"),
            ComponentDefinedType::FixedLengthList(..) => Self::Unsupported("list of fixed length"),
            ComponentDefinedType::Future(_) => Self::Unsupported("future"),
            ComponentDefinedType::Stream(_) => Self::Unsupported("stream"),
        }
    }

    /// The types that it is made of.
    pub(super) fn parts(&self) -> Vec<&Rc<Value<'a>>> {
        match self {
            Self::Record(fields) => fields.iter().map(|(_, ty)| ty).collect(),
            Self::Variant(cases) => cases.iter().filter_map(|(_, ty)| ty.as_ref()).collect(),
            Self::List(ty) | Self::Option(ty) => vec![ty],
            Self::Tuple(types) => types.iter().collect(),
            Self::Result(ok, err) => ok.iter().chain(err).collect(),
            Self::Primitive(_)
            | Self::Flags(_)
            | Self::Enum(_)
            | Self::Own(_)
            | Self::Borrow(_)
            | Self::Unsupported(_) => Vec::new(),
        }
    }
}
