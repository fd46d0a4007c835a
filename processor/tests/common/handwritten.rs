//! Cases written by hand: each operation at its edges, each kind of node.

use miden_core::{
    Felt, Operation, WORD_SIZE, Word, ZERO,
    crypto::{
        hash::Rpo256,
        merkle::{MerkleStore, MerkleTree, NodeIndex},
    },
};

use super::{Case, circuits::circuit_cases, cryptographic::cryptographic_cases};

const MAX_U32: u64 = u32::MAX as u64;
const MAX_FELT: u64 = 0xffff_ffff_0000_0000;

/// All cases that are written by hand. Many of them end in a trap.
pub fn handwritten_cases() -> Vec<Case> {
    let mut cases = operation_cases();
    cases.extend(block_cases());
    cases.extend(control_flow_cases());
    cases.extend(memory_cases());
    cases.extend(call_cases());
    cases.extend(syscall_cases());
    cases.extend(dynamic_cases());
    cases.extend(advice_cases());
    cases.extend(merkle_cases());
    cases.extend(cryptographic_cases());
    cases.extend(circuit_cases());
    cases.extend(core_library_cases());
    cases.extend(library_cases());
    cases
}

/// Every operation on stacks that meet its edges.
fn operation_cases() -> Vec<Case> {
    use Operation::*;
    let code = Felt::new(7);
    let operations = [
        Noop,
        Assert(code),
        SDepth,
        Caller,
        Clk,
        Add,
        Neg,
        Mul,
        Inv,
        Incr,
        And,
        Or,
        Not,
        Eq,
        Eqz,
        Expacc,
        Ext2Mul,
        U32split,
        U32add,
        U32add3,
        U32sub,
        U32mul,
        U32madd,
        U32div,
        U32and,
        U32xor,
        U32assert2(code),
        Pad,
        Drop,
        Dup0,
        Dup1,
        Dup2,
        Dup3,
        Dup4,
        Dup5,
        Dup6,
        Dup7,
        Dup9,
        Dup11,
        Dup13,
        Dup15,
        Swap,
        SwapW,
        SwapW2,
        SwapW3,
        SwapDW,
        MovUp2,
        MovUp3,
        MovUp4,
        MovUp5,
        MovUp6,
        MovUp7,
        MovUp8,
        MovDn2,
        MovDn3,
        MovDn4,
        MovDn5,
        MovDn6,
        MovDn7,
        MovDn8,
        CSwap,
        CSwapW,
        Push(Felt::new(MAX_FELT)),
        AdvPop,
        AdvPopW,
        MLoadW,
        MStoreW,
        MLoad,
        MStore,
        MStream,
        Pipe,
        HPerm,
        FriE2F4,
        HornerBase,
        HornerExt,
        CryptoStream,
        LogPrecompile,
        Emit,
    ];
    let counting: Vec<u64> = (1..=16).collect();
    let stacks: [(&str, Vec<u64>); 14] = [
        ("counting", counting.clone()),
        ("zeros", vec![0; 16]),
        ("ones", vec![1; 16]),
        ("zero then ones", [vec![0], vec![1; 15]].concat()),
        ("one then zeros", [vec![1], vec![0; 15]].concat()),
        (
            "one then counting",
            [vec![1], counting[..15].to_vec()].concat(),
        ),
        ("two equal", [vec![9, 9], counting[..14].to_vec()].concat()),
        ("largest u32", vec![MAX_U32; 16]),
        ("above u32", vec![MAX_U32 + 1; 16]),
        (
            "u32 under larger",
            [vec![3, MAX_U32 + 1, MAX_U32 + 2], counting[..13].to_vec()].concat(),
        ),
        ("largest element", vec![MAX_FELT; 16]),
        (
            "last word",
            [vec![MAX_U32 - 3], counting[..15].to_vec()].concat(),
        ),
        (
            "streams at 8",
            [counting[..12].to_vec(), vec![8, 1, 2, 3]].concat(),
        ),
        (
            "streams at the end",
            [counting[..12].to_vec(), vec![MAX_U32 - 3, 1, 2, 3]].concat(),
        ),
    ];
    let mut cases = Vec::new();
    for operation in operations {
        for (name, stack) in &stacks {
            let name = format!("{operation} on {name}");
            // Two values below the inputs show what comes back from the overflow.
            let mut operations = vec![Operation::Push(Felt::new(77)), Operation::Drop];
            operations.extend([operation, Operation::Noop, operation, Operation::Drop]);
            operations.extend([Operation::Drop; 2]);
            cases.push(
                Case::operations(&name, operations)
                    .stack(stack)
                    .advice(100..150),
            );
        }
    }
    cases
}

/// Basic blocks whose batches and groups are filled in different ways.
fn block_cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for length in [
        1usize, 8, 9, 10, 17, 18, 26, 27, 63, 64, 72, 73, 100, 144, 145, 300,
    ] {
        let operations = vec![Operation::Incr; length];
        cases.push(Case::operations(
            &format!("{length} operations"),
            operations,
        ));
    }
    for pushes in [1usize, 2, 4, 6, 7, 8, 9, 16, 40] {
        let mut operations: Vec<Operation> = (0..pushes)
            .map(|i| Operation::Push(Felt::new(i as u64)))
            .collect();
        operations.extend(vec![Operation::Drop; pushes]);
        cases.push(Case::operations(
            &format!("{pushes} pushes in a row"),
            operations,
        ));
    }
    for gap in 1..=9 {
        let mut operations = Vec::new();
        for i in 0..30u64 {
            operations.extend(vec![Operation::Noop; gap]);
            operations.push(Operation::Push(Felt::new(i << 40)));
        }
        operations.extend(vec![Operation::Drop; 30]);
        cases.push(Case::operations(
            &format!("a push after every {gap} operations"),
            operations,
        ));
    }
    cases
}

fn control_flow_cases() -> Vec<Case> {
    let nested_ifs = |stack: &[u64]| {
        Case::masm(
            "nested ifs",
            "begin
                if.true
                    push.1 if.true push.2 add else push.3 mul end
                else
                    if.true push.5 else push.6 push.0 if.true drop else add end end
                end
                swap drop
            end",
        )
        .stack(stack)
    };
    vec![
        nested_ifs(&[1, 1]),
        nested_ifs(&[0, 1, 4]),
        nested_ifs(&[0, 0, 4]),
        nested_ifs(&[0, 2, 4]),
        nested_ifs(&[5, 1, 1]),
        Case::masm(
            "a loop that is not entered",
            "begin while.true push.1 end end",
        )
        .stack(&[0, 3]),
        Case::masm("a loop of one round", "begin while.true push.0 end end").stack(&[1, 3]),
        Case::masm(
            "a loop with a bad first condition",
            "begin while.true push.0 end end",
        )
        .stack(&[2]),
        Case::masm(
            "a loop with a bad later condition",
            "begin while.true push.7 end end",
        )
        .stack(&[1]),
        Case::masm(
            "a countdown",
            "begin push.20 dup neq.0 while.true sub.1 dup neq.0 end drop end",
        ),
        Case::masm(
            "loops in loops",
            "begin
                push.1
                while.true
                    push.1
                    while.true add.3 push.0 end
                    push.0 while.true push.1 end
                    dup push.12 neq
                end
            end",
        )
        .stack(&[0]),
        Case::masm(
            "a loop whose body is an if",
            "begin
                push.1
                while.true
                    dup if.true sub.1 push.1 else push.0 end
                end
            end",
        )
        .stack(&[1]),
        Case::masm(
            "a loop whose body is a loop",
            "begin push.1 while.true while.true push.0 end end end",
        )
        .stack(&[1, 1, 0, 0, 0]),
        Case::masm("repetition", "begin repeat.50 push.3 mul add.1 end end").stack(&[2]),
        Case::masm(
            "a factorial",
            "begin
                push.1 swap dup push.1 gt
                while.true dup movup.2 mul swap sub.1 dup push.1 gt end
                drop
            end",
        )
        .stack(&[10]),
        Case::masm(
            "fib",
            "begin push.0 push.1 repeat.100 swap dup.1 add end end",
        ),
        Case::masm("too much left on the stack", "begin push.1 push.2 end"),
        Case::masm(
            "an assertion with a message",
            "begin assert.err=\"no such thing\" end",
        )
        .stack(&[0]),
        Case::masm("an assertion of zero", "begin assertz end").stack(&[1]),
        Case::masm("an assertion of equality", "begin assert_eq end").stack(&[1, 2]),
        Case::masm(
            "deep stacks",
            "begin
                repeat.100 push.7 sdepth end
                repeat.200 drop end
                repeat.40 drop end
                sdepth
            swap drop end",
        ),
        Case::masm(
            "exponentiation",
            "begin dup.1 dup.1 exp movdn.2 exp.5 swap pow2 add swap drop end",
        )
        .stack(&[3, 7]),
    ]
}

fn memory_cases() -> Vec<Case> {
    let words = "begin
            push.1.2.3.4 mem_storew_be.8 dropw
            padw mem_loadw_be.8
            push.9 mem_store.10 mem_load.10 mem_load.11 mem_load.12
            padw mem_loadw_le.8 padw mem_loadw_be.100
            mem_storew_le.4294967292
            sdepth push.16 neq while.true drop sdepth push.16 neq end
        end";
    let mut cases = vec![
        Case::masm("words and elements", words),
        Case::masm(
            "streaming",
            "begin
                push.1.2.3.4 mem_storew_be.0 dropw push.5.6.7.8 mem_storew_be.4 dropw
                push.9.10.11.12 mem_storew_be.8 dropw
                push.0 padw padw padw repeat.2 mem_stream hperm end
                dropw dropw dropw drop
            end",
        ),
        Case::masm(
            "locals",
            "@locals(8)
            proc inner
                push.5 loc_store.0 push.6 loc_store.7 loc_load.0 loc_load.7 add
                loc_storew_be.4 locaddr.3 drop
            end
            @locals(4)
            proc outer
                push.3 loc_store.1 exec.inner loc_load.1 add
            end
            begin exec.outer exec.inner swap drop swap drop end",
        ),
        Case::masm(
            "a frame pointer",
            "begin push.4294967294 mem_load swap drop end",
        ),
    ];
    for addr in [1, 2, 3, MAX_U32, MAX_U32 + 1] {
        for op in [
            "mem_loadw_be",
            "mem_storew_be",
            "mem_load",
            "mem_store",
            "mem_stream",
        ] {
            let top: Vec<u64> = if op == "mem_stream" {
                [vec![0; 12], vec![addr]].concat()
            } else {
                vec![addr, 1, 2, 3, 4]
            };
            let source = format!("begin {op} swap drop end");
            cases.push(Case::masm(&format!("{op} at {addr}"), &source).stack(&top));
        }
    }
    cases
}

fn call_cases() -> Vec<Case> {
    let memory_is_apart = "
        proc read mem_load.0 swap drop end
        proc write push.7 mem_store.0 call.read end
        begin push.5 mem_store.0 call.write mem_load.0 add swap drop call.read end";
    vec![
        Case::masm("memory of callees", memory_is_apart),
        Case::masm(
            "caller of a callee",
            "proc f caller swapw dropw end begin call.f end",
        ),
        Case::masm("caller of main", "begin caller end").stack(&[1, 2, 3, 4, 5]),
        Case::masm(
            "a callee does not see below 16",
            "proc f repeat.20 drop end push.1 sdepth swap drop swap drop end
            begin push.1 push.2 push.3 call.f sdepth repeat.4 drop end end",
        )
        .stack(&[4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]),
        Case::masm(
            "a callee leaves too much",
            "proc f push.1 push.2 push.3 end begin call.f drop drop drop end",
        ),
        Case::masm(
            "calls in a loop",
            "proc f add.1 push.4 mem_store.40 end
            begin push.10 push.1 while.true sub.1 call.f sub.1 dup neq.0 end drop end",
        ),
        Case::masm(
            "calls under calls with deep stacks",
            "proc a add.1 push.1 push.2 push.3 movup.3 repeat.3 swap drop end end
            proc b push.9 push.8 call.a add add call.a end
            proc c push.5 call.b push.6 call.b add add end
            begin repeat.10 push.3 end call.c call.c repeat.10 drop end end",
        )
        .stack(&[1, 2, 3]),
        Case::masm(
            "a frame pointer of a callee",
            "@locals(4)
            proc f loc_load.0 add.5 loc_store.0 loc_load.0 swap drop end
            begin call.f call.f exec.f call.f swap drop end",
        ),
        Case::masm(
            "a trap in a callee",
            "proc f push.0 assert end begin push.1 call.f end",
        ),
        Case::masm(
            "clk and depth",
            "proc f clk swap drop end begin clk call.f clk sdepth
            repeat.3 swap drop end end",
        ),
    ]
}

fn syscall_cases() -> Vec<Case> {
    let kernel = "
        pub proc who caller swapw dropw end
        pub proc count mem_load.80 add.1 mem_store.80 mem_load.80 swap drop end
        pub proc deep push.1 push.2 end
        proc hidden push.3 add end
        pub proc uses_call call.hidden end
        pub proc uses_exec exec.hidden exec.hidden end
        pub proc nested caller exec.count dropw end";
    let case = |name: &str, source: &str| Case::with_kernel(name, kernel, source);
    vec![
        case("a syscall from main", "begin syscall.who end").stack(&[1, 2, 3, 4]),
        case(
            "a syscall from a callee",
            "proc f syscall.who end begin call.f end",
        ),
        case(
            "the kernel keeps its memory",
            "proc f syscall.count end
            begin syscall.count call.f syscall.count call.f add add add mem_load.80 swap drop end",
        ),
        case("the kernel leaves too much", "begin syscall.deep end"),
        case(
            "the kernel calls",
            "begin syscall.uses_call syscall.uses_exec end",
        ),
        case(
            "syscalls with deep stacks",
            "begin repeat.9 push.4 end syscall.count syscall.nested repeat.9 drop end end",
        ),
        case(
            "syscalls in loops",
            "begin push.1 while.true syscall.count dup neq.5 end end",
        ),
    ]
}

fn dynamic_cases() -> Vec<Case> {
    let prelude = "
        proc three push.3 swap drop end
        proc four push.4 swap drop mem_load.40 add end
        proc who caller swapw dropw end";
    let case = |name: &str, main: &str| Case::masm(name, &format!("{prelude} begin {main} end"));
    vec![
        case(
            "dynexec",
            "procref.three mem_storew_be.40 dropw push.40 dynexec push.40 dynexec add
            call.three call.four call.who swap drop",
        ),
        case(
            "dyncall",
            "procref.four mem_storew_be.40 dropw push.40 dyncall
            procref.who mem_storew_be.44 dropw push.44 dyncall call.three",
        ),
        case(
            "dyncall with a deep stack",
            "procref.four mem_storew_be.40 repeat.7 push.40 end dyncall repeat.6 drop end dropw
            push.3 mem_store.0 push.4 mem_store.4",
        ),
        case(
            "dyncall at the least depth",
            "procref.three mem_storew_be.40 dropw push.40 movdn.8 movup.8 push.0 drop dyncall",
        ),
        case(
            "dynexec of nothing",
            "push.40 dynexec call.three call.four call.who",
        ),
        case(
            "dyncall of nothing",
            "push.40 dyncall call.three call.four call.who",
        ),
        case("dynexec at a bad address", "push.41 dynexec"),
        case("dyncall beyond memory", "push.4294967296 dyncall"),
        Case::masm(
            "dyncall of a callee that leaves too much",
            "proc f push.1 push.2 end
            begin procref.f mem_storew_be.0 dropw push.0 dyncall end",
        ),
        Case::masm(
            "dynexec of the core library",
            "use miden::core::math::u64
            begin
                procref.u64::wrapping_add mem_storew_be.0 dropw
                push.0 dynexec swap drop swap drop
                procref.u64::wrapping_mul mem_storew_be.0 dropw push.0 dynexec
            end",
        )
        .stack(&[1, 2, 3, 4, 5, 6]),
    ]
}

fn advice_cases() -> Vec<Case> {
    let key = Word::new([1u64, 2, 3, 4].map(Felt::new));
    let with_key = |name: &str, source: &str| {
        Case::masm(name, source)
            .entry(key, &[11, 12, 13, 14, 15])
            .stack(&[4, 3, 2, 1])
    };
    let mut cases = vec![
        Case::masm("advice to the stack", "begin adv_push.3 swapw adv_loadw dropw repeat.3 drop end end")
            .advice(1..20),
        Case::masm(
            "advice to memory",
            "begin push.64 padw padw padw repeat.4 adv_pipe end dropw dropw dropw drop
            mem_load.70 swap drop end",
        )
        .advice(1..40),
        Case::masm("too little advice to memory", "begin push.64 padw padw padw adv_pipe dropw dropw dropw drop end")
            .advice(1..8),
        Case::masm("too little advice for a word", "begin adv_loadw end").advice(1..4),
        Case::masm("no advice", "begin adv_push.1 drop end"),
        with_key("values of a key", "begin adv.push_mapval adv_push.5 repeat.5 drop end end"),
        with_key("counted values of a key", "begin adv.push_mapvaln adv_push.6 repeat.6 drop end end"),
        with_key("values padded to 4", "begin adv.push_mapvaln.4 adv_push.9 repeat.9 drop end end"),
        with_key("values padded to 8", "begin adv.push_mapvaln.8 adv_push.9 repeat.9 drop end end"),
        with_key("the count of a key", "begin adv.push_mapval_count adv_push.1 swap drop end"),
        with_key("presence of a key", "begin adv.has_mapkey adv_push.1 dropw adv.has_mapkey adv_push.1 swap drop end"),
        with_key("a missing key", "begin push.9 adv.push_mapval drop end"),
        with_key("the count of a missing key", "begin push.9 adv.push_mapval_count drop end"),
        Case::masm(
            "two words into the map",
            "begin adv.insert_hdword hmerge adv.push_mapval adv_push.8 repeat.8 drop end end",
        )
        .stack(&[1, 2, 3, 4, 5, 6, 7, 8]),
        Case::masm(
            "two words of a domain into the map",
            "begin adv.insert_hdword_d adv.insert_hdword_d dropw end",
        )
        .stack(&[1, 2, 3, 4, 5, 6, 7, 8, 9]),
        Case::masm("four words into the map", "begin adv.insert_hqword end")
            .stack(&(1..=16).collect::<Vec<_>>()),
        Case::masm(
            "a permutation into the map",
            "begin adv.insert_hperm hperm dropw swapw dropw adv.push_mapval adv_push.8 repeat.8 drop end end",
        )
        .stack(&(1..=12).collect::<Vec<_>>()),
        Case::masm(
            "memory into the map",
            "begin push.7 mem_store.5 adv.insert_mem adv.push_mapval adv_push.8 repeat.8 drop end end",
        )
        .stack(&[1, 2, 3, 4, 4, 12]),
        Case::masm("a backward range into the map", "begin adv.insert_mem end")
            .stack(&[1, 2, 3, 4, 12, 4]),
        Case::masm("a range beyond memory into the map", "begin adv.insert_mem end")
            .stack(&[1, 2, 3, 4, 12, MAX_U32 + 1]),
        Case::masm(
            "other memory under the same key",
            "begin adv.insert_mem push.9 mem_store.4 adv.insert_mem end",
        )
        .stack(&[1, 2, 3, 4, 4, 12]),
        Case::masm("an unknown event", "begin push.123456 emit drop end"),
        Case::masm("division in the extension", "begin ext2inv ext2mul ext2div end")
            .stack(&[3, 4, 5, 6, 7, 8]),
        Case::masm("division by zero in the extension", "begin ext2inv end").stack(&[0, 0]),
    ];
    for op in [
        "u32clz",
        "u32ctz",
        "u32clo",
        "u32cto",
        "ilog2",
        "u32popcnt",
        "u32not",
        "u32cast",
        "u32split",
        "u32test",
        "u32testw",
        "u32assert",
        "u32assertw",
        "u32assert2",
        "pow2",
        "is_odd",
    ] {
        for top in [
            0,
            1,
            2,
            31,
            32,
            63,
            64,
            0x8000_0000,
            MAX_U32 - 1,
            MAX_U32,
            MAX_U32 + 1,
            MAX_FELT,
        ] {
            let source = format!("begin {op} repeat.2 swap drop end end");
            cases.push(Case::masm(&format!("{op} of {top}"), &source).stack(&[top, top]));
        }
    }
    for op in [
        "u32overflowing_add",
        "u32wrapping_sub",
        "u32overflowing_mul",
        "u32divmod",
        "u32mod",
        "u32and",
        "u32or",
        "u32xor",
        "u32shl",
        "u32shr",
        "u32rotl",
        "u32rotr",
        "u32lt",
        "u32max",
        "u32overflowing_add3",
        "u32overflowing_madd",
        "lt",
        "gt",
        "lte",
        "gte",
        "eq",
        "neq",
        "and",
        "or",
        "xor",
        "div",
        "exp",
        "cswap",
        "cdrop",
        "cswapw",
        "cdropw",
        "eqw",
        "ext2sub",
    ] {
        for pair in [
            [0, 0],
            [0, 1],
            [1, 0],
            [1, 1],
            [5, 3],
            [3, 5],
            [31, MAX_U32],
            [MAX_U32, MAX_U32],
            [MAX_U32, 0],
            [MAX_FELT, 1],
            [2, MAX_FELT],
        ] {
            let source = format!("begin {op} push.0 drop end");
            let [a, b] = pair;
            let case = Case::masm(&format!("{op} of {a} over {b}"), &source);
            cases.push(case.stack(&[a, b, 6, b, a, 9, 8, 7, 6, 5]));
        }
    }
    cases
}

fn merkle_cases() -> Vec<Case> {
    let leaves: Vec<Word> = (0..8u64)
        .map(|i| Word::new([i + 1, 2 * i, 7, 3].map(Felt::new)))
        .collect();
    let tree = MerkleTree::new(leaves.clone()).expect("eight leaves make a tree");
    let mut store = MerkleStore::default();
    store.extend(tree.inner_nodes());
    let root = tree.root();
    let top_first = |word: &Word| -> Vec<u64> { word.iter().rev().map(Felt::as_int).collect() };
    let mut cases = Vec::new();
    let mut add = |name: String, operations: Vec<Operation>, parts: &[Vec<u64>]| {
        let mut stack = parts.concat();
        stack.truncate(16);
        cases.push(
            Case::operations(&name, operations)
                .stack(&stack)
                .store(store.clone()),
        );
    };
    let code = Felt::new(3);
    let new_leaf = vec![41, 42, 43, 44];
    for index in [0u64, 1, 5, 7] {
        let leaf = top_first(&leaves[index as usize]);
        let tail = vec![3, index];
        let parts = [leaf, tail, top_first(&root), new_leaf.clone()];
        add(
            format!("verify leaf {index}"),
            vec![Operation::MpVerify(code)],
            &parts,
        );
        add(
            format!("update leaf {index}"),
            vec![Operation::MrUpdate],
            &parts,
        );
    }
    let node = NodeIndex::new(1, 1).and_then(|at| tree.get_node(at));
    let node = top_first(&node.expect("a tree has inner nodes"));
    let parts = [node, vec![1, 1], top_first(&root), new_leaf.clone()];
    add(
        "verify an inner node".into(),
        vec![Operation::MpVerify(code)],
        &parts,
    );
    add(
        "update an inner node".into(),
        vec![Operation::MrUpdate],
        &parts,
    );
    let leaf = top_first(&leaves[2]);
    for (name, depth, index) in [
        ("another leaf", 3, 3),
        ("an index out of range", 3, 8),
        ("too deep a path", 4, 2),
        ("a depth beyond trees", 300, 2),
        ("a large index", 64, MAX_FELT),
    ] {
        let parts = [
            leaf.clone(),
            vec![depth, index],
            top_first(&root),
            new_leaf.clone(),
        ];
        add(
            format!("verify {name}"),
            vec![Operation::MpVerify(code)],
            &parts,
        );
        if name != "another leaf" {
            add(format!("update {name}"), vec![Operation::MrUpdate], &parts);
        }
    }
    let parts = [leaf.clone(), vec![3, 2], vec![1, 1, 1, 1], new_leaf];
    add(
        "verify under another root".into(),
        vec![Operation::MpVerify(code)],
        &parts,
    );
    add(
        "update under another root".into(),
        vec![Operation::MrUpdate],
        &parts,
    );

    let pair = [leaves[0], leaves[1]];
    let merge_stack = [top_first(&pair[1]), top_first(&pair[0])].concat();
    cases.push(Case::masm("merge trees", "begin mtree_merge end").stack(&merge_stack));
    let get = |depth: u64, index: u64| [vec![depth, index], top_first(&root)].concat();
    for (depth, index) in [(3, 6), (2, 1), (3, 9), (9, 0)] {
        let case = Case::masm(
            &format!("get {index} at {depth}"),
            "begin mtree_get dropw end",
        );
        cases.push(case.stack(&get(depth, index)).store(store.clone()));
    }
    let set = [get(3, 4), vec![9, 8, 7, 6]].concat();
    cases.push(
        Case::masm(
            "set a leaf and read it",
            "begin mtree_set dropw push.4 push.3 mtree_get dropw dropw end",
        )
        .stack(&set)
        .store(store.clone()),
    );
    cases
}

fn core_library_cases() -> Vec<Case> {
    let message: Vec<u64> = (0..16).map(|i| 0x0101_0101 * i).collect();
    let digest = Rpo256::hash_elements(&[ZERO; 2 * WORD_SIZE]);
    vec![
        Case::masm(
            "u64 arithmetic",
            "use miden::core::math::u64
            begin
                exec.u64::wrapping_add exec.u64::wrapping_mul exec.u64::div exec.u64::lt
                swap drop
            end",
        )
        .stack(&[5, 6, 7, 8, 9, 10, 11, 12, 13, 14]),
        Case::masm(
            "u64 division by zero",
            "use miden::core::math::u64
            begin exec.u64::div end",
        )
        .stack(&[0, 0, 3, 4]),
        Case::masm(
            "calls into the core library",
            "use miden::core::math::u64
            begin call.u64::wrapping_add call.u64::overflowing_mul end",
        )
        .stack(&[5, 6, 7, 8, 9, 10, 11, 12]),
        Case::masm(
            "sha256",
            "use miden::core::crypto::hashes::sha256
            begin exec.sha256::merge dropw end",
        )
        .stack(&message),
        Case::masm(
            "blake3",
            "use miden::core::crypto::hashes::blake3
            begin exec.blake3::merge dropw end",
        )
        .stack(&message),
        Case::masm(
            "advice checked against a hash",
            "use miden::core::mem
            begin exec.mem::pipe_double_words_preimage_to_memory dropw end",
        )
        .stack(&[
            1000,
            8,
            digest[3].as_int(),
            digest[2].as_int(),
            digest[1].as_int(),
            digest[0].as_int(),
        ])
        .advice([0; 8]),
    ]
}

/// Code from elsewhere, and the advice it brings with it.
fn library_cases() -> Vec<Case> {
    let library = "
        adv_map TABLE = [31, 32, 33]
        pub proc read push.TABLE adv.push_mapval dropw adv_push.3 add add swap drop end
        pub proc touch push.1 drop end
        pub proc nest exec.touch call.read end";
    let case = |name: &str, source: &str| {
        Case::with_library(name, library, &format!("use test::library\n{source}"))
    };
    let own = "adv_map OWN = [41, 42]
        begin push.OWN adv.push_mapval dropw adv_push.2 add swap drop end";
    let contradicting = Case::masm("advice that contradicts the program's", own);
    let key = *contradicting
        .program
        .mast_forest()
        .advice_map()
        .iter()
        .next()
        .expect("the program has advice")
        .0;
    let mut lacking = case(
        "a library that the host lacks",
        "begin exec.library::touch end",
    );
    lacking.forests.clear();
    let mut lacking_call = case(
        "a callee that the host lacks",
        "begin call.library::touch end",
    );
    lacking_call.forests.clear();
    vec![
        case("a library's own advice", "begin exec.library::read end"),
        case(
            "a library's advice before it is loaded",
            "begin adv.has_mapkey adv_push.1 drop exec.library::touch adv.has_mapkey adv_push.1 swap drop end",
        ),
        case(
            "calls under library calls",
            "begin call.library::nest exec.library::nest end",
        ),
        case(
            "a library's procedure by its hash",
            "begin procref.library::read mem_storew_be.0 dropw push.0 dyncall push.0 dynexec end",
        ),
        case(
            "a loop whose body is in a library",
            "begin push.1 push.1 while.true exec.library::touch push.0 end end",
        ),
        lacking,
        lacking_call,
        Case::masm("a program's own advice", own),
        contradicting.entry(key, &[1]),
    ]
}
