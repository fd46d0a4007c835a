//! The kernel's intrinsics: loads from the memory of any context, and stores to it.

use miden_core::Felt;
use miden_cvm_air::composition::LinkKind::{Isolated, Shared};
use miden_cvm_processor::ContextId;

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
