//! Changes every bit of a proof, one at a time, and counts why each change is refused. It takes some
//! minutes; the tests change a part of the bits.

use std::{process::ExitCode, time::Instant};

use miden_cvm_fuzz::{Flips, flip, known};

fn main() -> ExitCode {
    let bits = 8 * known().proof.len();
    let started = Instant::now();
    let flips = flip(known(), 0..bits);
    let Flips { refused, accepted } = &flips;
    println!(
        "{} bits of a proof of {} bytes, in {:.0} s",
        flips.count(),
        known().proof.len(),
        started.elapsed().as_secs_f64()
    );
    for (reason, count) in refused {
        println!("{count:>9} {reason}");
    }
    println!("{:>9} accepted: {accepted:?}", accepted.len());
    ExitCode::from(u8::from(!accepted.is_empty()))
}
