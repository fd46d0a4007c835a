//! Sponges over the field with many states at a time: RPO, RPX and Poseidon2.
//!
//! Lane `l` of every state element is of state `l`. Elements are any integers below 2^64 that are
//! congruent to them. The hashes are those of `miden_crypto`.

use core::marker::PhantomData;

use miden_core::{
    Felt,
    crypto::hash::{Poseidon2, Rpo256, Rpx256},
};
use miden_cvm_air::hash::{Digest, RATE_START, STATE_WIDTH as WIDTH};
use winterfell::math::StarkField;

use super::{
    BLOCK, Rows, lanes, to_integer, transposed,
    vector::{EPSILON, Lanes, Work, run_on},
};
use crate::packed::VectorUnit;

/// States that are permuted together.
const LANES: usize = 48;

/// Elements that are absorbed at a time; they follow those of the capacity.
const RATE: usize = WIDTH - RATE_START;
const _: () = assert!(RATE == BLOCK);

/// An element of each state.
type Elements = [u64; LANES];

type State = [Elements; WIDTH];

/// A permutation of many states.
pub trait Permutation {
    /// Permutes each state. Everything in here has to be `#[inline(always)]`, see [`Work`].
    fn permute<V: Lanes, const N: usize>(states: &mut States<V, N>);
}

/// Hashes as many rows as there are hashes; returns whether there is a vector unit, without which
/// nothing is done.
pub fn hash_rows<P: Permutation>(
    unit: VectorUnit,
    rows: &impl Rows,
    hashes: &mut [Digest],
) -> bool {
    let width = rows.width();
    hashes.chunks_mut(LANES).enumerate().all(|(i, hashes)| {
        let lanes: [_; LANES] = lanes(i * LANES, hashes.len());
        let mut state = [[0; LANES]; WIDTH];
        state[0] = [(width % RATE) as u64; LANES];
        let is_done = (0..width).step_by(RATE).all(|first| {
            let cells = transposed(rows, &lanes, first);
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

/// Reads the digests of the first lanes.
fn squeeze(state: &State, digests: &mut [Digest]) {
    for (lane, digest) in digests.iter_mut().enumerate() {
        for (word, element) in digest.0.iter_mut().zip(&state[RATE_START..]) {
            *word = canonical(element[lane]);
        }
    }
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

/// The sum, where `b` is below the modulus.
#[inline(always)]
fn add(a: u64, b: u64) -> u64 {
    let sum = a.wrapping_add(b);
    sum.wrapping_add(if sum < b { EPSILON } else { 0 })
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

impl<P: Permutation> Work for Permute<'_, P> {
    #[inline(always)]
    fn run<V: Lanes, const N: usize>(self) {
        const { assert!(LANES.is_multiple_of(N * V::COUNT)) };
        for first in (0..LANES).step_by(N * V::COUNT) {
            let mut states = States::<V, N>::read(self.state, first);
            P::permute(&mut states);
            states.write(self.state, first);
        }
    }
}

/// Replaces the elements that follow the capacity by those with these representatives, and permutes.
struct Absorb<'a, P> {
    cells: &'a [Elements; RATE],
    permute: Permute<'a, P>,
}

impl<'a, P> Absorb<'a, P> {
    fn new(cells: &'a [Elements; RATE], state: &'a mut State) -> Self {
        Self {
            cells,
            permute: Permute::new(state),
        }
    }
}

impl<P: Permutation> Work for Absorb<'_, P> {
    #[inline(always)]
    fn run<V: Lanes, const N: usize>(self) {
        let absorbed = self.permute.state[RATE_START..].as_flattened_mut();
        for (a, &cell) in absorbed.iter_mut().zip(self.cells.as_flattened()) {
            *a = to_integer(cell);
        }
        self.permute.run::<V, N>();
    }
}

/// States that are permuted side by side.
pub struct States<V, const N: usize> {
    /// By vector of states.
    vectors: [[V; WIDTH]; N],
}

impl<V: Lanes, const N: usize> States<V, N> {
    /// The states from `first` on.
    #[inline(always)]
    fn read(state: &State, first: usize) -> Self {
        let mut vectors = [[V::splat(0); WIDTH]; N];
        for (i, vector) in vectors.iter_mut().enumerate() {
            for (a, elements) in vector.iter_mut().zip(state) {
                *a = V::read(&elements[first + i * V::COUNT..]);
            }
        }
        Self { vectors }
    }

    #[inline(always)]
    fn write(&self, state: &mut State, first: usize) {
        for (i, vector) in self.vectors.iter().enumerate() {
            for (a, elements) in vector.iter().zip(state.iter_mut()) {
                a.write(&mut elements[first + i * V::COUNT..]);
            }
        }
    }

    /// An element of each state.
    #[inline(always)]
    fn element(&self, element: usize) -> [V; N] {
        let mut vectors = [V::splat(0); N];
        for (a, vector) in vectors.iter_mut().zip(&self.vectors) {
            *a = vector[element];
        }
        vectors
    }

    #[inline(always)]
    fn set_element(&mut self, element: usize, vectors: [V; N]) {
        for (vector, a) in self.vectors.iter_mut().zip(vectors) {
            vector[element] = a;
        }
    }

    #[inline(always)]
    fn powers_7(&mut self) {
        for i in 0..WIDTH {
            self.set_element(i, power_7(self.element(i)));
        }
    }

    /// The seventh roots.
    #[inline(always)]
    fn roots_7(&mut self) {
        for i in 0..WIDTH {
            self.set_element(i, root_7(self.element(i)));
        }
    }

    /// Multiplies by the matrix of RPO and RPX, and adds constants.
    #[inline(always)]
    fn mix(&mut self, constants: &[u64; WIDTH]) {
        for vector in &mut self.vectors {
            let (low, high) = halves(vector);
            join_all(vector, &convolve(&low), &convolve(&high), constants);
        }
    }

    /// Multiplies by the matrix of the external rounds of Poseidon2, and adds constants.
    #[inline(always)]
    fn mix_external(&mut self, constants: &[u64; WIDTH]) {
        for vector in &mut self.vectors {
            let (low, high) = halves(vector);
            let (low, high) = (multiply_external(&low), multiply_external(&high));
            join_all(vector, &low, &high, constants);
        }
    }

    /// Multiplies by the matrix of the internal rounds of Poseidon2: a diagonal one plus one of ones.
    #[inline(always)]
    fn mix_internal(&mut self) {
        for vector in &mut self.vectors {
            let (low, high) = halves(vector);
            let sum = V::join(sum(&low), sum(&high), 0);
            for (a, &factor) in vector.iter_mut().zip(&DIAGONAL) {
                *a = a.mul_add(V::splat(factor), sum, V::splat(0));
            }
        }
    }
}

#[inline(always)]
fn square<V: Lanes, const N: usize>(mut a: [V; N]) -> [V; N] {
    for a in &mut a {
        *a = a.square();
    }
    a
}

#[inline(always)]
fn mul<V: Lanes, const N: usize>(mut a: [V; N], b: [V; N]) -> [V; N] {
    for (a, b) in a.iter_mut().zip(b) {
        *a = a.mul(b);
    }
    a
}

#[inline(always)]
fn add_constant<V: Lanes, const N: usize>(mut a: [V; N], constant: u64) -> [V; N] {
    for a in &mut a {
        *a = a.add_constant(constant);
    }
    a
}

#[inline(always)]
fn power_7<V: Lanes, const N: usize>(a: [V; N]) -> [V; N] {
    let second = square(a);
    mul(mul(second, a), square(second))
}

/// The powers by the inverse of 7, which is, in binary, ten times 100, then 0 and ten times 110, and
/// then 111.
#[inline(always)]
fn root_7<V: Lanes, const N: usize>(a: [V; N]) -> [V; N] {
    let one = square(square(a));
    let two = append(one, 1, one);
    let four = append(two, 2, two);
    let ten = append(append(four, 4, four), 2, two);
    // That is ten times 100, 0, ten times 100; doubled and with ten times 100 it ends in 110s.
    let power = append(square(ten), 10, ten);
    let high = square(square(mul(square(power), ten)));
    let low = mul(mul(square(a), one), a);
    mul(high, low)
}

/// Appends `count` times three digits to the exponent.
#[inline(always)]
fn append<V: Lanes, const N: usize>(mut power: [V; N], count: usize, digits: [V; N]) -> [V; N] {
    for _ in 0..count {
        power = square(square(square(power)));
    }
    mul(power, digits)
}

/// The low and the high halves of elements.
#[inline(always)]
fn halves<V: Lanes>(a: &[V; WIDTH]) -> ([V; WIDTH], [V; WIDTH]) {
    let (mut low, mut high) = (*a, *a);
    for (low, high) in low.iter_mut().zip(&mut high) {
        *low = low.low();
        *high = high.shr(32);
    }
    (low, high)
}

/// Elements by what their halves have become, plus constants.
#[inline(always)]
fn join_all<V: Lanes>(
    to: &mut [V; WIDTH],
    low: &[V; WIDTH],
    high: &[V; WIDTH],
    constants: &[u64; WIDTH],
) {
    let halves = low.iter().zip(high).zip(constants);
    for (to, ((&low, &high), &constant)) in to.iter_mut().zip(halves) {
        *to = V::join(low, high, constant);
    }
}

#[inline(always)]
fn sum<V: Lanes>(a: &[V]) -> V {
    let mut sum = V::splat(0);
    for &a in a {
        sum = sum.plus(a);
    }
    sum
}

/// The product of the circulant matrix and a vector of integers below 2^32.
///
/// It is a product of polynomials modulo x^12 - 1: with y = x^3, modulo x^3 - 1, x^3 + 1 and x^3 - i
/// for y = 1, -1 and i. There the matrix has nothing but powers of two. Negative integers wrap around.
#[inline(always)]
fn convolve<V: Lanes>(a: &[V; WIDTH]) -> [V; WIDTH] {
    // At y = 1, -1 and i.
    let (mut plus, mut minus) = ([a[0]; 3], [a[0]; 3]);
    let mut complex = [Complex(a[0], a[0]); 3];
    for i in 0..3 {
        let (even, odd) = (a[i].plus(a[i + 6]), a[i + 3].plus(a[i + 9]));
        plus[i] = even.plus(odd);
        minus[i] = even.minus(odd);
        complex[i] = Complex(a[i].minus(a[i + 6]), a[i + 3].minus(a[i + 9]));
    }
    // Times 16, 8, 16 modulo x^3 - 1.
    let [a, b, c] = plus;
    let twice = a.plus(b).plus(c).shl(1);
    let plus = [
        twice.minus(c).shl(3),
        twice.minus(a).shl(3),
        twice.minus(b).shl(3),
    ];
    // Times -8, 1, 1 modulo x^3 + 1.
    let [a, b, c] = minus;
    let minus = [
        V::splat(0).minus(a.shl(3).plus(b).plus(c)),
        a.minus(c).minus(b.shl(3)),
        a.plus(b).minus(c.shl(3)),
    ];
    // Times -1 - 2i, -1 - i, 4 - 8i modulo x^3 - i.
    let [a, b, c] = complex;
    let complex = [
        a.times_first()
            .plus(b.times_third().plus(c.times_second()).times_i()),
        a.times_second()
            .plus(b.times_first())
            .plus(c.times_third().times_i()),
        a.times_third().plus(b.times_second()).plus(c.times_first()),
    ];
    let mut result = [twice; WIDTH];
    for i in 0..3 {
        let (even, odd) = (plus[i].plus(minus[i]), plus[i].minus(minus[i]));
        let Complex(real, imaginary) = complex[i];
        result[i] = even.plus(real);
        result[i + 3] = odd.plus(imaginary);
        result[i + 6] = even.minus(real);
        result[i + 9] = odd.minus(imaginary);
    }
    result
}

/// The value of a polynomial at y = i, by its real and its imaginary part.
#[derive(Clone, Copy)]
struct Complex<V>(V, V);

impl<V: Lanes> Complex<V> {
    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self(self.0.plus(other.0), self.1.plus(other.1))
    }

    #[inline(always)]
    fn times_i(self) -> Self {
        Self(V::splat(0).minus(self.1), self.0)
    }

    /// Times -1 - 2i.
    #[inline(always)]
    fn times_first(self) -> Self {
        let Self(a, b) = self;
        Self(b.shl(1).minus(a), V::splat(0).minus(a.shl(1).plus(b)))
    }

    /// Times -1 - i.
    #[inline(always)]
    fn times_second(self) -> Self {
        let Self(a, b) = self;
        Self(b.minus(a), V::splat(0).minus(a.plus(b)))
    }

    /// Times 4 - 8i.
    #[inline(always)]
    fn times_third(self) -> Self {
        let Self(a, b) = self;
        Self(a.shl(2).plus(b.shl(3)), b.shl(2).minus(a.shl(3)))
    }
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
    fn permute<V: Lanes, const N: usize>(states: &mut States<V, N>) {
        for round in 0..Rpo256::NUM_ROUNDS {
            rescue_round(states, round);
        }
    }
}

#[inline(always)]
fn rescue_round<V: Lanes, const N: usize>(states: &mut States<V, N>, round: usize) {
    states.mix(&FIRST[round]);
    states.powers_7();
    states.mix(&SECOND[round]);
    states.roots_7();
}

impl Permutation for Rpx256 {
    #[inline(always)]
    fn permute<V: Lanes, const N: usize>(states: &mut States<V, N>) {
        for round in [0, 2, 4] {
            rescue_round(states, round);
            for first in (0..WIDTH).step_by(3) {
                let mut element = [states.element(first); 3];
                for (i, a) in element.iter_mut().enumerate() {
                    let constant = FIRST[round + 1][first + i];
                    *a = add_constant(states.element(first + i), constant);
                }
                for (i, power) in cubic_power_7(element).into_iter().enumerate() {
                    states.set_element(first + i, power);
                }
            }
        }
        states.mix(&FIRST[Rpo256::NUM_ROUNDS - 1]);
    }
}

/// The powers in the extension by x^3 - x - 1.
#[inline(always)]
fn cubic_power_7<V: Lanes, const N: usize>(element: [[V; N]; 3]) -> [[V; N]; 3] {
    let second = cubic_mul(&element, &element);
    let third = cubic_mul(&second, &element);
    let fourth = cubic_mul(&second, &second);
    cubic_mul(&third, &fourth)
}

#[inline(always)]
fn cubic_mul<V: Lanes, const N: usize>(a: &[[V; N]; 3], b: &[[V; N]; 3]) -> [[V; N]; 3] {
    let zero = V::splat(0);
    let mut product = *a;
    for i in 0..N {
        let ([a0, a1, a2], [b0, b1, b2]) =
            ([a[0][i], a[1][i], a[2][i]], [b[0][i], b[1][i], b[2][i]]);
        // x^3 is x + 1, and x^4 is x^2 + x.
        let third = a1.mul_add(b2, a2.mul(b1), zero);
        let fourth = a2.mul(b2);
        product[0][i] = a0.mul_add(b0, third, zero);
        product[1][i] = a0.mul_add(b1, a1.mul_add(b0, third, fourth), zero);
        product[2][i] = a0.mul_add(b2, a1.mul_add(b1, fourth, zero), a2.mul(b0));
    }
    product
}

const DIAGONAL: [u64; WIDTH] = integers(Poseidon2::MAT_DIAG);
const INITIAL: [[u64; WIDTH]; Poseidon2::NUM_EXTERNAL_ROUNDS_HALF] =
    rows_of_integers(Poseidon2::ARK_EXT_INITIAL);
const INTERNAL: [u64; Poseidon2::NUM_INTERNAL_ROUNDS] = integers(Poseidon2::ARK_INT);
const TERMINAL: [[u64; WIDTH]; Poseidon2::NUM_EXTERNAL_ROUNDS_HALF] =
    rows_of_integers(Poseidon2::ARK_EXT_TERMINAL);

impl Permutation for Poseidon2 {
    #[inline(always)]
    fn permute<V: Lanes, const N: usize>(states: &mut States<V, N>) {
        // The constants of a round are added by what comes before it.
        let zeros = [0; WIDTH];
        states.mix_external(&INITIAL[0]);
        for round in 1..=INITIAL.len() {
            states.powers_7();
            states.mix_external(INITIAL.get(round).unwrap_or(&zeros));
        }
        for &constant in &INTERNAL {
            let first = add_constant(states.element(0), constant);
            states.set_element(0, power_7(first));
            states.mix_internal();
        }
        for (i, &constant) in TERMINAL[0].iter().enumerate() {
            states.set_element(i, add_constant(states.element(i), constant));
        }
        for round in 1..=TERMINAL.len() {
            states.powers_7();
            states.mix_external(TERMINAL.get(round).unwrap_or(&zeros));
        }
    }
}

/// The product of the matrix of the external rounds and a vector of integers below 2^32: of the
/// matrix with rows (5, 7, 1, 3), (4, 6, 1, 1), (1, 3, 5, 7) and (1, 1, 4, 6) and each four of them,
/// plus the sum of all three products.
#[inline(always)]
fn multiply_external<V: Lanes>(a: &[V; WIDTH]) -> [V; WIDTH] {
    let mut products = *a;
    let mut sums = [V::splat(0); 4];
    for products in products.as_chunks_mut().0 {
        let [a, b, c, d] = *products;
        let (a_b, c_d) = (a.plus(b), c.plus(d));
        let b_c_d = b.shl(1).plus(c_d);
        let a_b_d = d.shl(1).plus(a_b);
        let second = a_b.shl(2).plus(b_c_d);
        let fourth = c_d.shl(2).plus(a_b_d);
        *products = [a_b_d.plus(second), second, b_c_d.plus(fourth), fourth];
        for (sum, &product) in sums.iter_mut().zip(&*products) {
            *sum = sum.plus(product);
        }
    }
    for products in products.as_chunks_mut::<4>().0 {
        for (product, &sum) in products.iter_mut().zip(&sums) {
            *product = product.plus(sum);
        }
    }
    products
}
