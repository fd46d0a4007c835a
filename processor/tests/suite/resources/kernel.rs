//! The kernel's intrinsics: loads from the memory of any context, and stores to it.

use miden_core::Felt;
use miden_cvm_air::composition::LinkKind::{Isolated, Shared};
use miden_cvm_processor::{ContextId, MemoryError, Trap};

use super::{assert_trap, ends, traps};
use crate::composition::Builder;

/// Takes address and context, and a value to be written.
const KERNEL: &str = "
    pub proc peek call.stubs::load end
    pub proc poke call.stubs::store end";

const HOLDER: &str = "
    pub proc put push.77 mem_store.5 end
    pub proc get mem_load.5 swap drop end";

fn builder() -> Builder {
    let mut builder = Builder::new(2)
        .component("holder", HOLDER)
        .link(0, "a1", Shared, 1, "holder::put")
        .link(0, "a2", Shared, 1, "holder::get")
        .link(0, "b1", Isolated, 1, "holder::put")
        .kernel_intrinsics();
    builder.kernel = Some(KERNEL);
    builder
}

#[test]
fn the_kernel_reads_and_writes_other_memories() {
    let main = "begin
        call.stubs::a1
        push.1 push.5 syscall.peek push.77 assert_eq drop
        push.78 push.1 push.5 syscall.poke assertz drop drop
        push.79 push.1 push.6 syscall.poke assertz drop drop
        call.stubs::a2
    end";
    let (result, process) = builder().start(main);
    assert_eq!(result.expect("it runs")[0], 78);
    let accesses = &process.tracer().kernel;
    let words: Vec<_> = accesses.iter().map(|access| access.word).collect();
    let [zero, old, new, more] = [0u32, 77, 78, 79].map(Felt::from);
    assert_eq!(
        words,
        [
            [zero, old, zero, zero],
            [zero, new, zero, zero],
            [zero, new, more, zero]
        ]
    );
    let instance = ContextId::new(0, 1);
    assert!(
        accesses
            .iter()
            .all(|a| a.target == instance && a.state.len == 1)
    );
}

#[test]
fn contexts_that_are_over_can_be_read() {
    let builder = builder();
    let main = |over: u64| {
        format!(
            "begin call.stubs::b1
                push.{over} push.5 syscall.peek push.77 assert_eq drop
                push.78 push.{over} push.5 syscall.poke drop drop drop
                push.{over} push.5 syscall.peek push.78 assert_eq drop
            end"
        )
    };
    // The call's cycle names its context; a first run tells.
    let (_, process) = builder.start(&main(1));
    let memory = process.memory();
    let over = memory
        .contexts()
        .find(|context| context.domain() != 0)
        .expect("it is kept for the kernel");
    assert_eq!(memory.get_value(over, 5), Some(Felt::from(77u32)));
    ends(&builder, &main(over.as_u64()));
}

#[test]
fn only_contexts_that_were_created() {
    for context in [1, 1 << 16, 1 << 48, 1 << 63] {
        let trap = traps(
            &builder(),
            &format!("begin push.{context} push.5 syscall.peek end"),
        );
        let Trap::UnknownContext { context: named } = trap else {
            panic!("{trap}")
        };
        assert_eq!(named.as_int(), context);
    }
    ends(&builder(), "begin push.0 push.5 syscall.peek drop drop end");
    let beyond = traps(&builder(), "begin push.0 push.4294967296 syscall.peek end");
    assert_trap!(
        beyond,
        Trap::MemoryError(MemoryError::AddressOutOfBounds { .. })
    );
}

#[test]
fn only_the_kernel_and_only_if_it_was_given_them() {
    let trap = traps(&builder(), "begin push.0 push.5 call.stubs::load end");
    assert_trap!(trap, Trap::NotLinked { instance: 0, .. });
    let mut without = Builder::new(1);
    without.kernel = Some(KERNEL);
    let trap = traps(&without, "begin push.0 push.5 syscall.peek end");
    assert_trap!(trap, Trap::CallInSyscall);
}
