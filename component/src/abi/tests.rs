use std::sync::Arc;

use super::{Flat, Signature, flat_len, flatten, has_pointers, legend};
use crate::wit::{Case, Field, Function, Type};

fn kinds(ty: &Type) -> Vec<Flat> {
    flatten("x", ty)
        .into_iter()
        .map(|value| value.flat)
        .collect()
}

fn field(name: &str, ty: Type) -> Field {
    Field {
        name: name.into(),
        ty,
    }
}

#[test]
fn types_have_the_flat_form_of_the_book() {
    let names = |count: usize| (0..count).map(|i| format!("f{i}")).collect::<Vec<_>>();
    let cases: [(Type, Vec<Flat>); 12] = [
        (Type::Bool, vec![Flat::Bool]),
        (Type::U64, vec![Flat::Limb, Flat::Limb]),
        (Type::String, vec![Flat::Pointer, Flat::Length]),
        (
            Type::List(Arc::new(Type::U64)),
            vec![Flat::Pointer, Flat::Length],
        ),
        (
            Type::Tuple(vec![Type::Char, Type::S64]),
            vec![Flat::Char, Flat::Limb, Flat::Limb],
        ),
        (
            Type::Record(vec![field("a", Type::Felt), field("b", Type::Bool)]),
            vec![Flat::Felt, Flat::Bool],
        ),
        (Type::Enum(names(3)), vec![Flat::Discriminant(3)]),
        (Type::Flags(names(9)), vec![Flat::Flags(9)]),
        (
            Type::Option(Arc::new(Type::U8)),
            vec![Flat::Discriminant(2), Flat::U8],
        ),
        (
            Type::Result {
                ok: None,
                err: None,
            },
            vec![Flat::Discriminant(2)],
        ),
        (
            Type::Result {
                ok: Some(Arc::new(Type::U32)),
                err: Some(Arc::new(Type::String)),
            },
            vec![Flat::Discriminant(2), Flat::Payload, Flat::Length],
        ),
        (
            Type::Variant(vec![
                Case {
                    name: "a".into(),
                    ty: Some(Type::U64),
                },
                Case {
                    name: "b".into(),
                    ty: None,
                },
                Case {
                    name: "c".into(),
                    ty: Some(Type::Tuple(vec![Type::U64, Type::U8])),
                },
            ]),
            vec![Flat::Discriminant(3), Flat::Limb, Flat::Limb, Flat::U8],
        ),
    ];
    for (ty, expected) in cases {
        assert_eq!(kinds(&ty), expected, "{ty}");
        assert_eq!(flat_len(&ty), expected.len(), "{ty}");
    }
}

#[test]
fn values_cross_on_the_stack_while_they_fit_and_have_no_pointers() {
    let function = |types: Vec<Type>| Function {
        name: "f".into(),
        docs: String::new(),
        kind: miden_cvm_air::composition::LinkKind::Shared,
        params: types.into_iter().map(|ty| field("a", ty)).collect(),
        result: None,
        method: None,
        location: String::new(),
    };
    let params = |types| Signature::of(&function(types)).params;

    let fits = params(vec![Type::U64; 8]);
    assert!(fits.on_stack() && !fits.by_message);
    assert_eq!((fits.stack_len(), fits.crossing_len()), (16, 16));

    let mut types = vec![Type::U64; 8];
    types.push(Type::Bool);
    let large = params(types);
    assert!(!large.on_stack() && large.by_message);
    assert_eq!((large.stack_len(), large.crossing_len()), (1, 5));

    let list = params(vec![Type::U8, Type::Option(Arc::new(Type::String))]);
    assert!(list.on_stack() && list.by_message);
    assert_eq!((list.stack_len(), list.crossing_len()), (4, 5));
    let placed: Vec<usize> = list.placed().map(|(at, _)| at).collect();
    assert_eq!(placed, [0, 1]);
    assert!(!has_pointers(&Type::Option(Arc::new(Type::U64))));
}

#[test]
fn elements_are_named_by_where_they_come_from() {
    let entry = Type::Record(vec![
        field("amount", Type::U64),
        field("note", Type::Option(Arc::new(Type::String))),
    ]);
    let names: Vec<String> = flatten("entry", &entry)
        .into_iter()
        .map(|v| v.name)
        .collect();
    assert_eq!(
        names,
        [
            "entry.amount.hi",
            "entry.amount.lo",
            "entry.note.case",
            "entry.note.some.ptr",
            "entry.note.some.len"
        ]
    );
}

#[test]
fn what_is_in_a_case_is_named_after_it() {
    let names = |ty: &Type| -> Vec<String> {
        let values = flatten("x", ty).into_iter();
        values.map(|value| value.name).collect()
    };
    let pair = Type::Record(vec![field("left", Type::U32), field("right", Type::Felt)]);
    let result = Type::Result {
        ok: Some(Arc::new(pair)),
        err: Some(Arc::new(Type::U8)),
    };
    assert_eq!(names(&result), ["x.case", "x.ok.left|err", "x.ok.right"]);
    let cases = (0..5).map(|number| Case {
        name: format!("c{number}"),
        ty: Some(Type::U8),
    });
    assert_eq!(names(&Type::Variant(cases.collect())), ["x.case", "x.0"]);
}

#[test]
fn a_legend_says_what_numbers_stand_for() {
    let colors = Type::Enum(vec!["red".into(), "green".into()]);
    let flags = Type::Flags(vec!["read".into(), "write".into()]);
    let entry = Type::Record(vec![field("color", colors), field("may", flags)]);
    let found = Type::Option(Arc::new(Type::List(Arc::new(entry))));
    assert_eq!(
        legend("found", &found),
        [
            "Where found.case is 0 for none, 1 for some.",
            "Where each value of found.some is [found.some[i].color, found.some[i].may] in memory.",
            "Where found.some[i].color is 0 for red, 1 for green.",
            "Where in found.some[i].may bit 0 is read, bit 1 is write.",
        ]
    );
    assert!(legend("x", &Type::Tuple(vec![Type::U64, Type::String])).is_empty());
}
