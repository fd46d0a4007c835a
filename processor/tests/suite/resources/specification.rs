//! The cases of the Component Model's own tests (`test/resources/*.wast`), as compositions: the same
//! indices, values and traps.

use crate::composition::Builder;

/// Drops a handle of the first type.
const DROP: &str = " call.stubs::drop0 drop ";

/// `handle-table.wast`, indices: from 1, and the last one freed is the first one used again.
#[test]
fn indices_are_reused_last_in_first_out() {
    let new =
        |rep: u32, handle: u32| format!(" push.{rep} call.stubs::new0 push.{handle} assert_eq ");
    let rep =
        |handle: u32, rep: u32| format!(" push.{handle} call.stubs::rep0 push.{rep} assert_eq ");
    let drop = |handle: u32| format!(" push.{handle} {DROP}");
    let steps = [
        new(100, 1),
        new(200, 2),
        new(300, 3),
        drop(2),
        new(400, 2),
        rep(1, 100),
        rep(2, 400),
        rep(3, 300),
        drop(1),
        drop(2),
        drop(3),
        new(500, 3),
        new(600, 2),
        new(700, 1),
        rep(3, 500),
        rep(2, 600),
        rep(1, 700),
        new(800, 4),
    ];
    let main = format!("begin {} end", steps.concat());
    let (result, process) = Builder::new(1).resource(0, None).start(&main);
    assert_eq!(result.expect("it runs")[0], 0);
    let accesses = &process.tracer().table;
    assert_eq!(accesses.len(), steps.len());
    assert!(
        accesses
            .windows(2)
            .all(|pair| pair[0].state[1] == pair[1].state[0])
    );
}
