#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| miden_cvm_fuzz::wasm(bytes));
