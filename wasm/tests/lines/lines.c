// clang --target=wasm32 -nostdlib -O1 -gdwarf-5 -gline-tables-only -fdebug-compilation-dir=. \
//     -ffunction-sections -Wl,--no-entry,--gc-sections -o lines.wasm lines.c
__attribute__((export_name("divide")))
unsigned divide(unsigned a, unsigned b) {
    return a / b;
}

static inline unsigned half(unsigned a, unsigned b) {
    if (b > 100)
        __builtin_trap();
    return a / 2 + b;
}

__attribute__((export_name("caller")))
unsigned caller(unsigned a, unsigned b) {
    unsigned sum = a + 7;
    return half(sum * a, b);
}

__attribute__((export_name("first")))
unsigned first(const unsigned *numbers) {
    return numbers[0];
}

unsigned dropped(unsigned a) {
    return a * a * a;
}
