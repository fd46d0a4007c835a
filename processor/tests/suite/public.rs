//! Public data: elements that the verifier itself puts into the memory of instances.

use miden_core::{EMPTY_WORD, Felt, ZERO};
use miden_cvm_air::composition::{
    Composition, CompositionError,
    LinkKind::{self, Fresh, Isolated, Shared},
    LinkRecord, MAX_PUBLIC_ELEMENTS, PublicData, SegmentRecord,
};
use miden_cvm_processor::ContextId;

use crate::composition::Builder;

fn values(seed: u64, length: u64) -> Vec<Felt> {
    (0..length).map(|i| Felt::new(seed + i * i)).collect()
}

/// The root calls instance 1, which reads and changes what it finds at address 1000.
fn reader() -> Builder {
    Builder::new(2)
        .component(
            "reader",
            "pub proc read mem_load.1000 mem_load.1007 add swap drop end
            pub proc change push.5 mem_store.1000 end",
        )
        .link(0, "a1", Shared, 1, "reader::read")
        .link(0, "a2", Shared, 1, "reader::change")
}

#[test]
fn it_is_there_from_the_start() {
    let data = values(3, 8);
    let builder = reader()
        .public(1, 1000, &data)
        .public(0, 64, &values(9, 16));
    let main = "begin call.stubs::a1 mem_load.64 mem_load.79 movup.4 drop movup.4 drop end";
    let sum = (data[0] + data[7]).as_int();
    assert_eq!(builder.run(main)[..3], [9 + 15 * 15, 9, sum]);
    // It is memory like any other.
    let again = "begin call.stubs::a2 call.stubs::a1 end";
    assert_eq!(builder.run(again)[0], 5 + data[7].as_int());
    // Whether the instance is ever entered or not.
    let (result, process) = builder.start("begin neg neg end");
    assert!(result.is_ok());
    let found = process.memory().get_value(ContextId::new(0, 1), 1007);
    assert_eq!(found, Some(data[7]));
    builder.run("begin neg neg end");
}

#[test]
fn it_is_not_hashed() {
    let data = values(3, 512);
    let main = "begin call.stubs::a1 end";
    let rows = |builder: Builder| {
        let lengths = builder.trace(main).lengths;
        (lengths.cycles, lengths.hasher, lengths.memory, lengths.rom)
    };
    let without = rows(reader());
    let public = rows(reader().public(1, 1000, &data));
    let hashed = rows(reader().data(1, 1000, &data));
    assert_eq!((without.0, without.0), (public.0, hashed.0));
    // 8 rows of the hasher for 8 elements, and one of the ROM for the segment.
    assert_eq!(public.1, without.1);
    assert_eq!(hashed.1, without.1 + 512);
    assert_eq!(public.2, hashed.2);
    assert_eq!((public.3, hashed.3), (without.3, without.3 + 1));
}

#[test]
fn the_verifier_pays_a_message_a_word() {
    let messages = |builder: Builder| {
        let trace = builder.trace("begin call.stubs::a1 end");
        trace.public.messages().len()
    };
    let without = messages(reader());
    assert_eq!(
        messages(reader().public(1, 1000, &values(1, 1024))),
        without + 256
    );
    assert_eq!(
        messages(reader().data(1, 1000, &values(1, 1024))),
        without + 1
    );
}

fn public(instance: u32, address: u32, length: usize) -> PublicData {
    PublicData {
        instance,
        address,
        elements: vec![ZERO; length],
    }
}

fn with(data: Vec<PublicData>) -> Result<Composition, CompositionError> {
    let segment = SegmentRecord {
        instance: 1,
        address: 64,
        length: 16,
        commitment: EMPTY_WORD,
    };
    Composition::new(2, Vec::new(), vec![segment])
        .and_then(|composition| composition.with_public_data(data))
}

#[test]
fn it_is_aligned_in_range_and_of_some_length() {
    use CompositionError::{
        PublicDataLength, SegmentInstance, SegmentOverlap, SegmentRange, SegmentShape,
    };

    assert!(with(vec![public(1, 80, 8), public(1, 56, 8), public(0, 64, 8)]).is_ok());
    // The limit is that of all of it.
    let half = MAX_PUBLIC_ELEMENTS / 2;
    assert!(with(vec![public(0, 0, half), public(1, 4096, half)]).is_ok());
    let refused = with(vec![public(0, 0, half), public(1, 4096, half + 8)]);
    assert_eq!(refused, Err(PublicDataLength(MAX_PUBLIC_ELEMENTS + 8)));
    for (data, at) in [
        (public(1, 72, 8), (64, 72)),
        (public(1, 60, 8), (60, 64)),
        (public(1, 64, 8), (64, 64)),
    ] {
        let (first, second) = at;
        let overlap = SegmentOverlap {
            instance: 1,
            first,
            second,
        };
        assert_eq!(with(vec![data]), Err(overlap));
    }
    let refused = with(vec![public(0, 0, 16), public(0, 8, 8)]);
    assert!(matches!(
        refused,
        Err(SegmentOverlap {
            first: 0,
            second: 8,
            ..
        })
    ));
    for shape in [public(0, 2, 8), public(0, 0, 4), public(0, 0, 0)] {
        let refused = with(vec![shape]);
        assert!(matches!(refused, Err(SegmentShape { .. })), "{refused:?}");
    }
    assert!(with(vec![public(0, (1 << 31) - 8, 8)]).is_ok());
    let refused = with(vec![public(0, (1 << 31) - 4, 8)]);
    assert!(matches!(refused, Err(SegmentRange { .. })), "{refused:?}");
    let refused = with(vec![public(2, 0, 8)]);
    assert!(
        matches!(refused, Err(SegmentInstance { index: 2, .. })),
        "{refused:?}"
    );
}

#[test]
fn it_belongs_to_an_instance_that_exists_once() {
    // (source, kind, target); each is a digest of its own.
    let linked = |links: &[(u32, LinkKind, u32)], instance| {
        let links = links
            .iter()
            .zip(1u64..)
            .map(|(&(source, kind, target), digest)| LinkRecord {
                source,
                digest: [Felt::new(digest), ZERO, ZERO, ZERO].into(),
                kind,
                target,
                callee: EMPTY_WORD,
            });
        Composition::new(4, links.collect(), Vec::new())
            .and_then(|composition| composition.with_public_data(vec![public(instance, 0, 8)]))
    };
    let copied = |instance| Err(CompositionError::PublicDataCopied { instance });
    assert!(linked(&[(0, Shared, 1), (1, Shared, 2)], 2).is_ok());
    for kind in [Fresh, Isolated] {
        assert_eq!(linked(&[(0, Shared, 1), (0, kind, 1)], 1), copied(1));
    }
    // What a fresh instance calls shared is there already; what an isolated one calls is its own.
    assert!(linked(&[(0, Fresh, 1), (1, Shared, 2)], 2).is_ok());
    assert_eq!(linked(&[(0, Isolated, 1), (1, Shared, 2)], 2), copied(2));
    assert_eq!(
        linked(&[(0, Isolated, 1), (1, Fresh, 2), (2, Shared, 3)], 3),
        copied(3)
    );
    // The root is called by nobody, as long as nobody calls it.
    assert!(linked(&[(0, Isolated, 1)], 0).is_ok());
    assert_eq!(linked(&[(0, Isolated, 1), (1, Shared, 0)], 0), copied(0));
    // A link into the domain is followed although one that is none came before.
    let links = [(0, Fresh, 1), (2, Isolated, 1), (1, Shared, 3)];
    assert_eq!(linked(&links, 3), copied(3));
}
