//! Sponges over the field with many states at a time: RPO, RPX and Poseidon2.
//!
//! Permutations are written for one state, in loops over the states that the compiler turns into
//! vector code: lane `l` of every state element is of state `l`. Elements are any integers below 2^64
//! that are congruent to them. The hashes are those of `miden_crypto`.

#![allow(
    clippy::needless_range_loop,
    reason = "a lane is an index into several arrays"
)]

use core::marker::PhantomData;

use miden_core::{
    Felt,
    crypto::hash::{Poseidon2, Rpo256, Rpx256},
};
use miden_cvm_air::hash::{Digest, RATE_START, STATE_WIDTH as WIDTH};
use winterfell::math::StarkField;

use super::{lanes, to_integer, transposed};
use crate::packed::{VectorUnit, Vectorizable, product};

/// States that are permuted together.
const LANES: usize = 32;

/// Elements that are absorbed at a time; they follow those of the capacity.
const RATE: usize = WIDTH - RATE_START;

/// 2^64 modulo the modulus.
const EPSILON: u64 = 0xffff_ffff;

/// An element of each state.
type Lanes = [u64; LANES];

type State = [Lanes; WIDTH];

/// A permutation of many states.
pub trait Permutation {
    /// Permutes each state. Everything in here has to be `#[inline(always)]`, see [`Vectorizable`].
    fn permute(field: Field, state: &mut State);
}

/// Hashes rows of `width` cells, of which there are as many as hashes; returns whether there is a
/// vector unit, without which nothing is done.
pub fn hash_rows<P: Permutation>(
    unit: VectorUnit,
    rows: &[Felt],
    width: usize,
    hashes: &mut [Digest],
) -> bool {
    let rows = rows.chunks(LANES * width);
    rows.zip(hashes.chunks_mut(LANES)).all(|(rows, hashes)| {
        let lanes: [_; LANES] = lanes(rows, width, hashes.len());
        let mut state = [[0; LANES]; WIDTH];
        state[0] = [(width % RATE) as u64; LANES];
        let is_done = (0..width).step_by(RATE).all(|first| {
            let cells = transposed(&lanes, first, RATE.min(width - first));
            run_on(unit, Absorb::<P>::new(&cells, &mut state))
        });
        squeeze(&state, hashes);
        is_done
    })
}

/// Hashes pairs of digests, and puts the hash where the left one was; returns whether there is a
/// vector unit, without which nothing is done.
pub fn merge_into<P: Permutation>(
    unit: VectorUnit,
    digests: &mut [Digest],
    others: &[Digest],
) -> bool {
    let mut pairs = digests.chunks_mut(LANES).zip(others.chunks(LANES));
    pairs.all(|(left, right)| {
        let mut state = [[0; LANES]; WIDTH];
        for (lane, (left, right)) in left.iter().zip(right).enumerate() {
            let words = left.0.iter().chain(&right.0);
            for (element, &word) in state[RATE_START..].iter_mut().zip(words) {
                element[lane] = word;
            }
        }
        let is_done = run_on(unit, Permute::<P>::new(&mut state));
        if is_done {
            squeeze(&state, left);
        }
        is_done
    })
}

/// The first words of the digests of a state to whose element at `position` each of the numbers from
/// `first` on is added; returns whether there is a vector unit, without which nothing is done.
pub fn hash_nonces<P: Permutation>(
    unit: VectorUnit,
    elements: &[Felt; WIDTH],
    position: usize,
    first: u64,
    words: &mut [u64],
) -> bool {
    let mut starts = (first..).step_by(LANES).zip(words.chunks_mut(LANES));
    starts.all(|(start, words)| {
        let mut state = elements.map(|element| [element.as_int(); LANES]);
        for (nonce, element) in (start..).zip(&mut state[position]) {
            *element = add(*element, nonce);
        }
        let is_done = run_on(unit, Permute::<P>::new(&mut state));
        for (word, &element) in words.iter_mut().zip(&state[RATE_START]) {
            *word = canonical(element);
        }
        is_done
    })
}

/// Does work if there is such a unit.
fn run_on(unit: VectorUnit, work: impl Vectorizable) -> bool {
    unit.try_run(work).is_ok()
}

/// Reads the digests of the first lanes.
fn squeeze(state: &State, digests: &mut [Digest]) {
    for (lane, digest) in digests.iter_mut().enumerate() {
        for (word, element) in digest.0.iter_mut().zip(&state[RATE_START..]) {
            *word = canonical(element[lane]);
        }
    }
}

/// Permutes states.
struct Permute<'a, P> {
    state: &'a mut State,
    permutation: PhantomData<P>,
}

impl<'a, P> Permute<'a, P> {
    fn new(state: &'a mut State) -> Self {
        Self {
            state,
            permutation: PhantomData,
        }
    }
}

impl<P: Permutation> Vectorizable for Permute<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        P::permute(Field::new(), self.state);
    }
}

/// Replaces the elements that follow the capacity by those with these representatives, and permutes.
struct Absorb<'a, P> {
    cells: &'a [Lanes; RATE],
    permute: Permute<'a, P>,
}

impl<'a, P> Absorb<'a, P> {
    fn new(cells: &'a [Lanes; RATE], state: &'a mut State) -> Self {
        Self {
            cells,
            permute: Permute::new(state),
        }
    }
}

impl<P: Permutation> Vectorizable for Absorb<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let absorbed = self.permute.state[RATE_START..].as_flattened_mut();
        for (a, &cell) in absorbed.iter_mut().zip(self.cells.as_flattened()) {
            *a = to_integer(cell);
        }
        self.permute.run();
    }
}

/// Multiplication of integers modulo the modulus.
#[derive(Clone, Copy)]
pub struct Field {
    /// [`EPSILON`], of which the compiler does not know, since it would make three operations of a
    /// product with it.
    epsilon: u64,
}

impl Field {
    #[inline(always)]
    fn new() -> Self {
        Self {
            epsilon: core::hint::black_box(EPSILON) & EPSILON,
        }
    }

    /// `low + 2^64 high`.
    #[inline(always)]
    fn reduce(self, low: u64, high: u64) -> u64 {
        // 2^64 is 2^32 - 1, and 2^96 is -1.
        let top = high >> 32;
        let difference = low.wrapping_sub(top);
        let difference = difference.wrapping_sub(if low < top { EPSILON } else { 0 });
        let product = (high & EPSILON).wrapping_mul(self.epsilon);
        let sum = difference.wrapping_add(product);
        sum.wrapping_add(if sum < product { EPSILON } else { 0 })
    }

    #[inline(always)]
    fn square(self, a: u64) -> u64 {
        // Nothing of it overflows, and nothing is checked, as in `product`. Code that is any larger would
        // not be inlined, and so not be vectorized.
        let (mul, add) = (u64::wrapping_mul, u64::wrapping_add);
        let (a0, a1) = (a & EPSILON, a >> 32);
        let (low, middle, high) = (mul(a0, a0), mul(a0, a1), mul(a1, a1));
        // The middle counts 2^33 times.
        let high = add(high, add(middle, low >> 33) >> 31);
        self.reduce(mul(a, a), high)
    }

    #[inline(always)]
    fn mul(self, a: u64, b: u64) -> u64 {
        let (low, high) = product(a, b);
        self.reduce(low, high)
    }

    #[inline(always)]
    fn power_7(self, a: u64) -> u64 {
        let second = self.square(a);
        self.mul(self.mul(second, a), self.square(second))
    }
}

/// The sum, where `b` is below the modulus.
#[inline(always)]
fn add(a: u64, b: u64) -> u64 {
    let sum = a.wrapping_add(b);
    sum.wrapping_add(if sum < b { EPSILON } else { 0 })
}

/// The integer below the modulus.
#[inline(always)]
fn canonical(a: u64) -> u64 {
    if a >= Felt::MODULUS {
        a.wrapping_sub(Felt::MODULUS)
    } else {
        a
    }
}

/// `low + 2^32 high`, where both are below 2^41, plus a constant.
#[inline(always)]
fn join(low: u64, high: u64, constant: u64) -> u64 {
    let low = low.wrapping_add(constant & EPSILON);
    let high = high.wrapping_add(constant >> 32);
    let low = low.wrapping_add((high >> 32).wrapping_mul(EPSILON));
    let shifted = high << 32;
    let sum = low.wrapping_add(shifted);
    sum.wrapping_add(if sum < shifted { EPSILON } else { 0 })
}

/// State elements that are worked on side by side: enough for a vector unit to be busy with some while
/// it waits for others.
const GROUP: usize = 4;

type Group = [Lanes; GROUP];

/// Applies a function to the elements of each state of a group.
#[inline(always)]
fn apply(group: &mut Group, f: impl Fn([u64; GROUP]) -> [u64; GROUP]) {
    for lane in 0..LANES {
        let a = f(core::array::from_fn(|i| group[i][lane]));
        for i in 0..GROUP {
            group[i][lane] = a[i];
        }
    }
}

/// The products of two elements each.
#[inline(always)]
fn products(field: Field, a: [u64; GROUP], b: [u64; GROUP]) -> [u64; GROUP] {
    core::array::from_fn(|i| field.mul(a[i], b[i]))
}

#[inline(always)]
fn powers_7(field: Field, state: &mut State) {
    let square = |a| field.square(a);
    for group in state.as_chunks_mut().0 {
        apply(group, |a| {
            let second = a.map(square);
            products(field, products(field, second, a), second.map(square))
        });
    }
}

/// The seventh roots.
#[inline(always)]
fn roots_7(field: Field, state: &mut State) {
    for group in state.as_chunks_mut().0 {
        group_roots_7(field, group);
    }
}

/// The powers by the inverse of 7, which is, in binary, ten times 100, then 0 and ten times 110, and
/// then 111.
#[inline(always)]
fn group_roots_7(field: Field, to: &mut Group) {
    let square = |a| field.square(a);
    let a = *to;
    let mut power = a;
    apply(&mut power, |a| a.map(square).map(square));
    let one = power;
    append(field, &mut power, 1, &one);
    let two = power;
    append(field, &mut power, 2, &two);
    let four = power;
    append(field, &mut power, 4, &four);
    append(field, &mut power, 2, &two);
    let ten = power;
    apply(&mut power, |a| a.map(square));
    append(field, &mut power, 10, &ten);
    // That is ten times 100, 0, ten times 100; doubled and with ten times 100 it ends in 110s.
    for lane in 0..LANES {
        let [a, power, ten, one] =
            [&a, &power, &ten, &one].map(|group| core::array::from_fn(|i| group[i][lane]));
        let high = products(field, power.map(square), ten)
            .map(square)
            .map(square);
        let low = products(field, products(field, a.map(square), one), a);
        let root = products(field, high, low);
        for i in 0..GROUP {
            to[i][lane] = root[i];
        }
    }
}

/// Appends `count` times three digits to the exponent.
#[inline(always)]
fn append(field: Field, power: &mut Group, count: usize, digits: &Group) {
    let square = |a| field.square(a);
    for _ in 0..count {
        apply(power, |a| a.map(square).map(square).map(square));
    }
    for (a, &factor) in power
        .as_flattened_mut()
        .iter_mut()
        .zip(digits.as_flattened())
    {
        *a = field.mul(*a, factor);
    }
}

/// Multiplies by the matrix of RPO and RPX, and adds constants.
#[inline(always)]
fn mix(state: &mut State, constants: &[u64; WIDTH]) {
    for lane in 0..LANES {
        let a: [u64; WIDTH] = core::array::from_fn(|i| state[i][lane]);
        let low = convolve(&a.map(|a| a & EPSILON));
        let high = convolve(&a.map(|a| a >> 32));
        for i in 0..WIDTH {
            state[i][lane] = join(low[i], high[i], constants[i]);
        }
    }
}

/// The product of the circulant matrix and a vector of integers below 2^32.
///
/// It is a product of polynomials modulo x^12 - 1: with y = x^3, modulo x^3 - 1, x^3 + 1 and x^3 - i
/// for y = 1, -1 and i. There the matrix has nothing but powers of two. Negative integers wrap around.
#[inline(always)]
fn convolve(a: &[u64; WIDTH]) -> [u64; WIDTH] {
    let add = u64::wrapping_add;
    let sub = u64::wrapping_sub;
    let neg = u64::wrapping_neg;
    // At y = 1, -1 and i.
    let (mut plus, mut minus, mut real, mut imaginary) = ([0; 3], [0; 3], [0; 3], [0; 3]);
    for i in 0..3 {
        let (even, odd) = (add(a[i], a[i + 6]), add(a[i + 3], a[i + 9]));
        plus[i] = add(even, odd);
        minus[i] = sub(even, odd);
        real[i] = sub(a[i], a[i + 6]);
        imaginary[i] = sub(a[i + 3], a[i + 9]);
    }
    // Times 16, 8, 16 modulo x^3 - 1.
    let twice = add(add(plus[0], plus[1]), plus[2]) << 1;
    let plus = [plus[2], plus[0], plus[1]].map(|a| sub(twice, a) << 3);
    // Times -8, 1, 1 modulo x^3 + 1.
    let [a, b, c] = minus;
    let minus = [
        neg(add(a << 3, add(b, c))),
        sub(sub(a, c), b << 3),
        sub(add(a, b), c << 3),
    ];
    // Times -1 - 2i, -1 - i, 4 - 8i modulo x^3 - i.
    let [r0, r1, r2] = real;
    let [s0, s1, s2] = imaginary;
    let first = |r: u64, s: u64| (sub(s << 1, r), neg(add(r << 1, s)));
    let second = |r: u64, s: u64| (sub(s, r), neg(add(r, s)));
    let third = |r: u64, s: u64| (add(r << 2, s << 3), sub(s << 2, r << 3));
    let sum = |a: (u64, u64), b: (u64, u64)| (add(a.0, b.0), add(a.1, b.1));
    let times_i = |a: (u64, u64)| (neg(a.1), a.0);
    let complex = [
        sum(first(r0, s0), times_i(sum(third(r1, s1), second(r2, s2)))),
        sum(sum(second(r0, s0), first(r1, s1)), times_i(third(r2, s2))),
        sum(sum(third(r0, s0), second(r1, s1)), first(r2, s2)),
    ];
    let mut result = [0; WIDTH];
    for i in 0..3 {
        let (even, odd) = (add(plus[i], minus[i]), sub(plus[i], minus[i]));
        let (real, imaginary) = complex[i];
        result[i] = add(even, real);
        result[i + 3] = add(odd, imaginary);
        result[i + 6] = sub(even, real);
        result[i + 9] = sub(odd, imaginary);
    }
    result
}

/// The integers that elements stand for.
const fn integers<const A: usize>(elements: [Felt; A]) -> [u64; A] {
    let mut result = [0; A];
    let mut i = 0;
    while i < A {
        result[i] = elements[i].as_int();
        i += 1;
    }
    result
}

/// The integers that rows of elements stand for.
const fn rows_of_integers<const A: usize, const B: usize>(rows: [[Felt; A]; B]) -> [[u64; A]; B] {
    let mut result = [[0; A]; B];
    let mut i = 0;
    while i < B {
        result[i] = integers(rows[i]);
        i += 1;
    }
    result
}

const FIRST: [[u64; WIDTH]; Rpo256::NUM_ROUNDS] = rows_of_integers(Rpo256::ARK1);
const SECOND: [[u64; WIDTH]; Rpo256::NUM_ROUNDS] = rows_of_integers(Rpo256::ARK2);

impl Permutation for Rpo256 {
    #[inline(always)]
    fn permute(field: Field, state: &mut State) {
        for round in 0..Rpo256::NUM_ROUNDS {
            rescue_round(field, state, round);
        }
    }
}

#[inline(always)]
fn rescue_round(field: Field, state: &mut State, round: usize) {
    mix(state, &FIRST[round]);
    powers_7(field, state);
    mix(state, &SECOND[round]);
    roots_7(field, state);
}

impl Permutation for Rpx256 {
    #[inline(always)]
    fn permute(field: Field, state: &mut State) {
        for round in [0, 2, 4] {
            rescue_round(field, state, round);
            let elements = state.as_chunks_mut().0.iter_mut();
            for (element, constants) in elements.zip(FIRST[round + 1].as_chunks().0) {
                cubic_powers_7(field, element, constants);
            }
        }
        mix(state, &FIRST[Rpo256::NUM_ROUNDS - 1]);
    }
}

/// Adds a constant, and takes the powers in the extension by x^3 - x - 1.
#[inline(always)]
fn cubic_powers_7(field: Field, element: &mut [Lanes; 3], constant: &[u64; 3]) {
    for lane in 0..LANES {
        let a = core::array::from_fn(|i| add(element[i][lane], constant[i]));
        let second = cubic_mul(field, &a, &a);
        let third = cubic_mul(field, &second, &a);
        let fourth = cubic_mul(field, &second, &second);
        let power = cubic_mul(field, &third, &fourth);
        for i in 0..3 {
            element[i][lane] = power[i];
        }
    }
}

#[inline(always)]
fn cubic_mul(field: Field, a: &[u64; 3], b: &[u64; 3]) -> [u64; 3] {
    let sum = |a: u64, b: u64| add(a, canonical(b));
    let first = field.mul(a[0], b[0]);
    let second = sum(field.mul(a[0], b[1]), field.mul(a[1], b[0]));
    let third = sum(
        sum(field.mul(a[0], b[2]), field.mul(a[2], b[0])),
        field.mul(a[1], b[1]),
    );
    // x^3 is x + 1, and x^4 is x^2 + x.
    let fourth = sum(field.mul(a[1], b[2]), field.mul(a[2], b[1]));
    let fifth = field.mul(a[2], b[2]);
    [
        sum(first, fourth),
        sum(sum(second, fourth), fifth),
        sum(third, fifth),
    ]
}

const DIAGONAL: [u64; WIDTH] = integers(Poseidon2::MAT_DIAG);
const INITIAL: [[u64; WIDTH]; Poseidon2::NUM_EXTERNAL_ROUNDS_HALF] =
    rows_of_integers(Poseidon2::ARK_EXT_INITIAL);
const INTERNAL: [u64; Poseidon2::NUM_INTERNAL_ROUNDS] = integers(Poseidon2::ARK_INT);
const TERMINAL: [[u64; WIDTH]; Poseidon2::NUM_EXTERNAL_ROUNDS_HALF] =
    rows_of_integers(Poseidon2::ARK_EXT_TERMINAL);

impl Permutation for Poseidon2 {
    #[inline(always)]
    fn permute(field: Field, state: &mut State) {
        // The constants of a round are added by what comes before it.
        let zeros = [0; WIDTH];
        mix_external(state, &INITIAL[0]);
        for round in 1..=INITIAL.len() {
            powers_7(field, state);
            mix_external(state, INITIAL.get(round).unwrap_or(&zeros));
        }
        for &constant in &INTERNAL {
            internal_round(field, state, constant);
        }
        for (lanes, &constant) in state.iter_mut().zip(&TERMINAL[0]) {
            for a in lanes {
                *a = add(*a, constant);
            }
        }
        for round in 1..=TERMINAL.len() {
            powers_7(field, state);
            mix_external(state, TERMINAL.get(round).unwrap_or(&zeros));
        }
    }
}

/// Multiplies by the matrix of the external rounds, and adds constants.
#[inline(always)]
fn mix_external(state: &mut State, constants: &[u64; WIDTH]) {
    for lane in 0..LANES {
        let a: [u64; WIDTH] = core::array::from_fn(|i| state[i][lane]);
        let low = multiply_external(&a.map(|a| a & EPSILON));
        let high = multiply_external(&a.map(|a| a >> 32));
        for i in 0..WIDTH {
            state[i][lane] = join(low[i], high[i], constants[i]);
        }
    }
}

/// The product of the matrix of the external rounds and a vector of integers below 2^32: of the
/// matrix with rows (5, 7, 1, 3), (4, 6, 1, 1), (1, 3, 5, 7) and (1, 1, 4, 6) and each four of them,
/// plus the sum of all three products.
#[inline(always)]
fn multiply_external(a: &[u64; WIDTH]) -> [u64; WIDTH] {
    let mut products = [0; WIDTH];
    let mut sums = [0; 4];
    for (products, &[a, b, c, d]) in products.as_chunks_mut().0.iter_mut().zip(a.as_chunks().0) {
        let (a_b, c_d) = (a + b, c + d);
        let b_c_d = (b << 1) + c_d;
        let a_b_d = (d << 1) + a_b;
        let second = (a_b << 2) + b_c_d;
        let fourth = (c_d << 2) + a_b_d;
        *products = [a_b_d + second, second, b_c_d + fourth, fourth];
        for i in 0..4 {
            sums[i] += products[i];
        }
    }
    core::array::from_fn(|i| products[i] + sums[i % 4])
}

#[inline(always)]
fn internal_round(field: Field, state: &mut State, constant: u64) {
    for a in &mut state[0] {
        *a = field.power_7(add(*a, constant));
    }
    // Element by element: a loop over states with one over elements in it is not vectorized.
    let (mut low, mut high) = ([0; LANES], [0; LANES]);
    for element in state.iter() {
        for lane in 0..LANES {
            low[lane] += element[lane] & EPSILON;
            high[lane] += element[lane] >> 32;
        }
    }
    let mut sum = [0; LANES];
    for lane in 0..LANES {
        sum[lane] = canonical(join(low[lane], high[lane], 0));
    }
    for (element, &factor) in state.iter_mut().zip(&DIAGONAL) {
        for lane in 0..LANES {
            element[lane] = add(field.mul(element[lane], factor), sum[lane]);
        }
    }
}
