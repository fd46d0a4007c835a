//! The depth of the stack, and requests to precompiles.

use miden_core::{
    Felt,
    precompile::{PrecompileCommitment, PrecompileTranscript},
};

use crate::support::{Call, procedures};

procedures! { "::miden::core::sys";
    fn truncate_stack() {
        for depth in [0_u64, 1, 5, 20] {
            let pushes: String = (1..=depth).map(|i| format!("push.{i} ")).collect();
            let stack = Call::new("sys::truncate_stack")
                .before(&pushes)
                .stack(100..116_u64)
                .run()
                .stack;
            let expected = (1..=depth).rev().chain(100..).take(16);
            assert_eq!(stack, expected.map(Felt::new).collect::<Vec<_>>());
        }
    }

    fn drop_stack_top() {
        let pushes: String = (0..20).map(|i| format!("push.{i} ")).collect();
        let stack = Call::new("sys::drop_stack_top")
            .before(&pushes)
            .stack([7_u64])
            .top();
        assert_eq!(stack, [3, 2, 1, 0, 7]);
    }

    fn log_precompile_request() {
        let outcome = Call::new("sys::log_precompile_request").stack(1..=16_u64).run();
        let (comm, tag) = ([4, 3, 2, 1], [8, 7, 6, 5]);
        let commitment = PrecompileCommitment::new(tag.map(Felt::new).into(), comm.map(Felt::new).into());
        let mut transcript = PrecompileTranscript::new();
        transcript.record(commitment);
        assert_eq!(outcome.transcript, transcript.state());
        let rest = [9, 10, 11, 12, 13, 14, 15, 16].map(Felt::new);
        assert_eq!(outcome.stack[..8], rest);
    }
}
