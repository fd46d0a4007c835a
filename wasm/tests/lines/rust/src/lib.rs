//! Functions that trap where their source says.

#![no_std]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// The half of a number, added to another one.
#[inline(always)]
fn half(a: u32, b: u32) -> u32 {
    if b > 100 {
        core::arch::wasm32::unreachable();
    }
    a / 2 + b
}

/// The quotient.
#[unsafe(no_mangle)]
pub extern "C" fn divide(a: u32, b: u32) -> u32 {
    a / b
}

/// Calls what is inlined.
#[unsafe(no_mangle)]
pub extern "C" fn caller(a: u32, b: u32) -> u32 {
    let sum = a.wrapping_add(7);
    half(sum.wrapping_mul(a), b)
}

/// Reads where it is told to.
///
/// # Safety
/// A number is there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn first(address: u32) -> u32 {
    let numbers = address as *const u32;
    // SAFETY: as the caller says.
    unsafe { *numbers }
}
