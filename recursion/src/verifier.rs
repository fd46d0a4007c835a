//! The procedure that verifies proofs of one shape.
//!
//! It follows the verifier of this project message by message. What it reads comes from the advice and
//! counts for nothing until it is hashed: into the transcript, or up to a root that is in the transcript.
//! Challenges and positions come from the transcript only; how many elements, nodes and
//! queries there are is part of the program.

use std::collections::BTreeMap;

use miden_core::{Felt, FieldElement, StarkField, crypto::hash::Rpo256};
use miden_cvm_air::{
    air::{COMPOSITION_COLUMNS, CvmAir},
    hash::{RATE_START, STATE_WIDTH},
    lookup::NUM_CHALLENGES,
};

use crate::{
    circuit::{Circuit, VARIABLE_LEN},
    combination::{Row, Rows},
    masm::{Address, Masm, Memory, Sponge, WORD},
    shape::{BLOCK, NUM_VARIABLES, SeedElement, Shape},
};

/// Elements of an element of the extension.
const DEGREE: usize = 2;

/// The number of bits of a position that are reversed with one look at the table.
const TABLE_BITS: usize = 4;

/// Memory that the verifiers of all shapes use, one after the other.
#[derive(Debug)]
pub struct Common {
    /// The state of the public coin.
    coin: Address,
    /// Numbers of [`TABLE_BITS`] bits, reversed.
    reversed: Address,
    /// Numbers of two bits, reversed.
    swapped: Address,
}

impl Common {
    /// Takes the memory.
    pub fn new(memory: &mut Memory) -> Self {
        Self {
            coin: memory.take(STATE_WIDTH),
            reversed: memory.take(1 << TABLE_BITS),
            swapped: memory.take(4),
        }
    }

    /// Writes the tables.
    pub fn prepare(&self, masm: &mut Masm) {
        let reversed = |bits: u32| move |n: u64| Felt::new(n.reverse_bits() >> (u64::BITS - bits));
        masm.write(
            self.reversed,
            (0..1 << TABLE_BITS).map(reversed(TABLE_BITS as u32)),
        );
        masm.write(self.swapped, (0..4).map(reversed(2)));
    }

    /// The procedures that use the coin.
    pub fn procedures(&self, masm: &mut Masm) {
        let [capacity, low, high] = [0, 1, 2].map(|word| self.coin + word * WORD);
        let mut permute = Masm::default();
        permute.add("hperm");
        permute.copy_word(high);
        permute.add("dropw");
        permute.copy_word(low);
        permute.add("dropw");
        permute.copy_word(capacity);
        permute.add("dropw");

        let mut again = Masm::default();
        again.load_word(capacity);
        again.load_word(low);
        again.load_word(high);
        again.add("exec.permute_state");

        let mut begin = Masm::default();
        begin.add("padw");
        for word in [capacity, low, high] {
            begin.copy_word(word);
        }
        begin.add("dropw");

        let mut reseed = Masm::default();
        reseed.load_word(capacity);
        reseed.add("swapw");
        reseed.load_word(low);
        reseed.add("movup.4 add movdn.6");
        reseed.add("movup.3 add movdn.5");
        reseed.add("movup.2 add movdn.4");
        reseed.add("add movdn.3");
        reseed.load_word(high);
        reseed.add("exec.permute_state");

        masm.block("proc permute_state", &permute);
        masm.block("proc begin_coin", &begin);
        masm.block("proc permute_coin", &again);
        masm.block("proc reseed_coin", &reseed);
    }

    /// The address of an element that the coin shows.
    fn shown(&self, number: usize) -> Address {
        self.coin + RATE_START + number
    }
}

/// Draws elements from the coin, as long as it is told nothing.
struct Draws<'a> {
    common: &'a Common,
    next: usize,
}

impl<'a> Draws<'a> {
    fn new(common: &'a Common) -> Self {
        Self { common, next: 0 }
    }

    /// The address of the next element.
    fn next(&mut self, masm: &mut Masm) -> Address {
        if self.next == BLOCK {
            masm.add("exec.permute_coin");
            self.next = 0;
        }
        self.next += 1;
        self.common.shown(self.next - 1)
    }

    /// Moves an element of the extension to memory.
    fn draw(&mut self, masm: &mut Masm, address: Address) {
        for i in 0..DEGREE {
            let shown = self.next(masm);
            masm.load(shown);
            masm.store(address + i);
        }
    }
}

/// A layer of the low-degree test.
#[derive(Debug)]
struct Layer {
    /// The number of rows, of four values each.
    size: usize,
    root: Address,
    /// The element that folds it, over the offset of its domain and times the generator: FRIE2F4 takes
    /// the domains of all layers to have the offset of the first one.
    challenge: Address,
    /// What of the reversed position is the index of the row.
    index: Address,
    /// The value of the row that the position is at.
    segment: Address,
}

/// Where a verifier keeps what it reads and computes.
#[derive(Debug)]
struct Places {
    circuit: Address,
    seed: Address,
    roots: [Address; 3],
    layers: Vec<Layer>,
    remainder: Address,
    /// The inverse of the element that weighs the quotients: a word whose second half is zero.
    point: Address,
    /// The element that weighs the quotients.
    gamma: Address,
    /// The successor of `z`.
    successor: Address,
    /// The values at `z` and at its successor, combined.
    combined: [Address; 2],
    positions: Address,
    /// The address of the next position.
    next: Address,
    /// Indices of the parts of a path that rows of smaller extensions divide, from the leaf on.
    parts: Vec<Address>,
    /// The index of a path that nothing divides.
    index: Address,
    row: Address,
    node: Address,
    /// The point of a query.
    x: Address,
    /// The pieces' columns of a query, combined.
    sum: Address,
    /// A value that is compared.
    value: Address,
    /// The inverse of a point of the last domain: a word whose other elements are zero.
    inverse: Address,
}

/// The verifier of a shape.
#[derive(Debug)]
pub struct Verifier {
    shape: Shape,
    air: CvmAir,
    rows: Rows,
    /// The circuit of its constraints.
    pub circuit: Circuit,
    places: Places,
    /// The powers of `gamma` that the queries use.
    factors: BTreeMap<i64, Address>,
}

impl Verifier {
    /// The verifier of a shape, with memory of its own.
    pub fn new(shape: Shape, memory: &mut Memory) -> Self {
        let air = shape.air();
        let circuit = Circuit::new(&air);
        let rows = Rows::new(&shape, &air);
        let places = Places::new(&shape, &air, &circuit, &rows, memory);
        Self {
            shape,
            air,
            rows,
            circuit,
            places,
            factors: BTreeMap::new(),
        }
    }

    fn variable(&self, number: usize) -> Address {
        self.places.circuit + VARIABLE_LEN * number
    }

    /// Reads the circuit from the advice.
    pub fn load_circuit(&self, masm: &mut Masm) {
        let code = self.circuit.code();
        let sponge = Sponge {
            len: code.len(),
            address: self.variable(self.circuit.variables.constants),
        };
        masm.hash(sponge, "adv_pipe");
        masm.push_word(Rpo256::hash_elements(&code));
        masm.add("assert_eqw");
    }

    /// The procedures of the verifier; the one with this name leaves the hash of what the transcript
    /// begins with.
    pub fn procedures(
        &mut self,
        name: &str,
        common: &Common,
        memory: &mut Memory,
        masm: &mut Masm,
    ) {
        let mut query = Masm::default();
        self.query(common, memory, &mut query);
        masm.block(&format!("proc {name}_query"), &query);

        let mut body = Masm::default();
        self.seed(&mut body);
        self.commitments(common, &mut body);
        self.constraints(&mut body);
        self.layers(common, &mut body);
        self.draw_positions(common, &mut body);
        self.prepare(&mut body);
        body.add(format_args!("push.{}", self.places.positions));
        body.store(self.places.next);
        body.add(format_args!(
            "repeat.{} exec.{name}_query end",
            self.num_queries()
        ));
        masm.block(&format!("proc {name}"), &body);
    }

    fn num_queries(&self) -> usize {
        self.air.options().num_queries()
    }

    /// Puts the beginning of the transcript together, and leaves its hash, which the coin is made of.
    fn seed(&self, masm: &mut Masm) {
        let elements = self.shape.seed(&self.air);
        let address = self.places.seed;
        let mut variables = [0; NUM_VARIABLES];
        for (i, &element) in elements.iter().enumerate() {
            match element {
                SeedElement::Known(known) => masm.write(address + i, [known]),
                SeedElement::Variable(number) => variables[number] = address + i,
            }
        }
        for (number, address) in variables.into_iter().enumerate() {
            masm.add("adv_push.1 dup");
            masm.store(address);
            masm.store(self.variable(self.circuit.variables.statement + number));
        }
        let sponge = Sponge {
            len: elements.len(),
            address,
        };
        masm.hash(sponge, "mem_stream");
        masm.add("dupw exec.begin_coin exec.reseed_coin");
    }

    /// Reads a digest, and tells the coin of it.
    fn digest(&self, masm: &mut Masm, address: Address) {
        masm.add("padw adv_loadw");
        masm.copy_word(address);
        masm.add("exec.reseed_coin");
    }

    /// Reads elements of the extension, and tells the coin of them.
    fn elements(&self, masm: &mut Masm, address: Address, count: usize) {
        let sponge = Sponge {
            len: count * DEGREE,
            address,
        };
        masm.hash(sponge, "adv_pipe");
        masm.add("exec.reseed_coin");
    }

    /// Reads the messages up to the values outside of the domain.
    fn commitments(&self, common: &Common, masm: &mut Masm) {
        let variables = self.circuit.variables;
        let [main, aux, composition] = self.places.roots;
        self.digest(masm, main);
        let mut draws = Draws::new(common);
        for number in 0..NUM_CHALLENGES {
            draws.draw(masm, self.variable(variables.challenges + number));
        }
        self.digest(masm, aux);
        self.elements(masm, self.variable(variables.sums), self.air.pieces().len());
        Draws::new(common).draw(masm, self.variable(variables.weight));
        self.digest(masm, composition);
        let z = self.variable(variables.z);
        Draws::new(common).draw(masm, z);
        // The domains are in the base field, where z is not.
        masm.load(z + 1);
        masm.add("eq.0 assertz");
        self.elements(
            masm,
            self.variable(variables.openings),
            self.air.num_openings(),
        );
        Draws::new(common).draw(masm, self.places.gamma);
    }

    /// Evaluates the circuit.
    fn constraints(&self, masm: &mut Masm) {
        let (num_eval, num_read) = (self.circuit.num_eval(), self.circuit.num_read());
        masm.add(format_args!(
            "push.{num_eval}.{num_read}.{}",
            self.places.circuit
        ));
        masm.add("eval_circuit drop drop drop");
    }

    /// Reads the messages of the low-degree test.
    fn layers(&self, common: &Common, masm: &mut Masm) {
        let mut offset = Felt::GENERATOR;
        for layer in &self.places.layers {
            self.digest(masm, layer.root);
            let factor = Felt::GENERATOR / offset;
            for i in 0..DEGREE {
                masm.load(common.shown(i));
                masm.add(format_args!("mul.{}", factor.as_int()));
                masm.store(layer.challenge + i);
            }
            offset = offset.exp(4);
        }
        self.elements(masm, self.places.remainder, self.coefficients());
    }

    fn last_size(&self) -> usize {
        let layers = self.places.layers.last();
        layers.map_or(self.air.domain_size(), |layer| layer.size)
    }

    fn coefficients(&self) -> usize {
        self.last_size() / self.air.options().blowup_factor()
    }

    /// Reads the nonce, and draws the positions.
    fn draw_positions(&self, common: &Common, masm: &mut Masm) {
        let first = common.shown(0);
        masm.load(first);
        masm.add("adv_push.1 add");
        masm.store(first);
        masm.add("exec.permute_coin");
        masm.load(first);
        let work = 1_u64 << self.air.options().grinding_factor();
        masm.add(format_args!("u32split drop u32divmod.{work} assertz drop"));
        let mut draws = Draws { common, next: 1 };
        for query in 0..self.num_queries() {
            let shown = draws.next(masm);
            masm.load(shown);
            masm.add(format_args!(
                "u32split drop u32divmod.{}",
                self.air.domain_size()
            ));
            masm.store(self.places.positions + query);
            masm.add("drop");
        }
    }

    /// Computes what all queries need.
    fn prepare(&self, masm: &mut Masm) {
        let places = &self.places;
        masm.load_ext(places.gamma);
        masm.add("ext2inv");
        masm.store_ext(places.point);
        for (&power, &address) in &self.factors {
            self.power(masm, power);
            masm.store_ext(address);
        }
        let root = Felt::get_root_of_unity(self.air.longest().ilog2());
        let z = self.variable(self.circuit.variables.z);
        for i in 0..DEGREE {
            masm.load(z + i);
            masm.add(format_args!("mul.{}", root.as_int()));
            masm.store(places.successor + i);
        }
        let width = self.air.trace_width();
        let first = self.variable(self.circuit.variables.openings);
        let at_point = width + COMPOSITION_COLUMNS;
        for (address, count, combined) in [
            (first, at_point, places.combined[0]),
            (first + DEGREE * at_point, width, places.combined[1]),
        ] {
            self.combine(masm, address, count);
            self.power(masm, count as i64 - 1);
            masm.add("ext2mul");
            masm.store_ext(combined);
        }
    }

    /// Leaves a power of `gamma`.
    fn power(&self, masm: &mut Masm, power: i64) {
        let base = match power < 0 {
            true => self.places.point,
            false => self.places.gamma,
        };
        let power = power.unsigned_abs();
        let Some(highest) = power.checked_ilog2() else {
            masm.add("push.1.0");
            return;
        };
        masm.load_ext(base);
        for bit in (0..highest).rev() {
            masm.add("dup.1 dup.1 ext2mul");
            if power >> bit & 1 == 1 {
                masm.load_ext(base);
                masm.add("ext2mul");
            }
        }
    }

    /// Leaves the elements of the extension from an address on, each times a power of the inverse of
    /// `gamma`, which is 0 for the last one.
    fn combine(&self, masm: &mut Masm, mut address: Address, mut count: usize) {
        if address.is_multiple_of(WORD) {
            masm.zeros(DEGREE);
        } else {
            masm.load_ext(address);
            address += DEGREE;
            count -= 1;
        }
        let columns = BLOCK / DEGREE;
        masm.add(format_args!(
            "push.{}.{address} padw padw padw",
            self.places.point
        ));
        masm.repeat(count / columns, "mem_stream horner_eval_ext");
        masm.add("dropw dropw dropw drop drop");
        address += count / columns * BLOCK;
        for number in 0..count % columns {
            masm.load_ext(self.places.point);
            masm.add("ext2mul");
            masm.load_ext(address + number * DEGREE);
            masm.add("ext2add");
        }
    }

    /// The address of a power of `gamma`, which is computed before the queries.
    fn factor(&mut self, memory: &mut Memory, power: i64) -> Address {
        *self
            .factors
            .entry(power)
            .or_insert_with(|| memory.take(DEGREE))
    }

    /// Checks the next query.
    fn query(&mut self, common: &Common, memory: &mut Memory, masm: &mut Masm) {
        masm.load(self.places.next);
        masm.add("dup add.1");
        masm.store(self.places.next);
        masm.add("mem_load");
        self.locate(common, masm);

        let Rows {
            main,
            aux,
            composition,
        } = self.rows.clone();
        let [main_root, aux_root, composition_root] = self.places.roots;
        masm.zeros(DEGREE);
        let mut reached = None;
        self.tree(memory, masm, &main, main_root, &mut reached);
        self.tree(memory, masm, &aux, aux_root, &mut reached);
        self.scale(memory, masm, reached);
        masm.store_ext(self.places.sum);
        masm.zeros(DEGREE);
        let mut reached = None;
        let composition = [composition];
        self.tree(memory, masm, &composition, composition_root, &mut reached);
        self.scale(memory, masm, reached);
        self.quotients(masm);
        self.low_degree(masm);
    }

    /// Takes the position on top apart; leaves the power of the domain's generator that it is of.
    fn locate(&self, common: &Common, masm: &mut Masm) {
        let places = &self.places;
        let bits = self.air.domain_size().ilog2() as usize;
        let generator = Felt::get_root_of_unity(bits as u32);
        masm.add("dup");
        masm.add(format_args!("push.{} swap exp.u{bits}", generator.as_int()));
        masm.add(format_args!("dup mul.{}", Felt::GENERATOR.as_int()));
        masm.store(places.x);
        // The position, reversed: the lowest bits become the highest ones.
        masm.add("swap push.0 swap");
        for _ in 0..bits / TABLE_BITS {
            masm.add(format_args!("u32divmod.{}", 1 << TABLE_BITS));
            masm.add(format_args!("add.{} mem_load", common.reversed));
            masm.add(format_args!("movup.2 mul.{} add swap", 1 << TABLE_BITS));
        }
        let rest = bits % TABLE_BITS;
        if rest > 0 {
            masm.add(format_args!("mul.{}", 1 << (TABLE_BITS - rest)));
            masm.add(format_args!("add.{} mem_load", common.reversed));
            masm.add(format_args!("swap mul.{} add", 1 << rest));
        } else {
            masm.add("drop");
        }
        masm.add("dup");
        masm.store(places.index);
        masm.add("dup");
        let depths = depths(&self.rows.main);
        for (part, depth) in places.parts.iter().zip(&depths[..depths.len() - 1]) {
            masm.add(format_args!("u32divmod.{}", 1_u64 << depth));
            masm.store(*part);
        }
        if let Some(last) = places.parts.last() {
            masm.store(*last);
        }
        for layer in &places.layers {
            masm.add("u32divmod.4");
            masm.add(format_args!("add.{} mem_load", common.swapped));
            masm.store(layer.segment);
            masm.add("dup");
            masm.store(layer.index);
        }
        masm.add("drop");
    }

    /// Multiplies the accumulator on top by the power of `gamma` that is still missing.
    fn scale(&mut self, memory: &mut Memory, masm: &mut Masm, reached: Option<i64>) {
        if let Some(power) = reached.filter(|&power| power != 0) {
            let factor = self.factor(memory, power);
            masm.load_ext(factor);
            masm.add("ext2mul");
        }
    }

    /// Reads the rows of a tree, takes them into the accumulator on top, and checks them against the
    /// root. `reached` is the power that the accumulator is to be multiplied by; nothing if it is zero.
    fn tree(
        &mut self,
        memory: &mut Memory,
        masm: &mut Masm,
        rows: &[Row],
        root: Address,
        reached: &mut Option<i64>,
    ) {
        let depths = depths(rows);
        for (number, row) in rows.iter().enumerate() {
            self.row(memory, masm, row, reached);
            masm.add("dropw");
            if number > 0 {
                masm.add("swapw");
                masm.reload_word(self.places.node);
                masm.add("swapw hmerge padw");
            } else {
                masm.add("swapw");
            }
            if number + 1 == rows.len() {
                masm.reload_word(root);
            } else {
                masm.add("adv_loadw");
                masm.copy_word(self.places.node);
            }
            masm.add("swapw");
            let index = match rows.len() {
                1 => self.places.index,
                _ => self.places.parts[number],
            };
            masm.verify_path(index, depths[number]);
            masm.add("dropw drop drop");
        }
    }

    /// Reads and hashes a row, and takes it into the accumulator on top. Leaves the hasher's state and two
    /// addresses above the accumulator.
    fn row(&mut self, memory: &mut Memory, masm: &mut Masm, row: &Row, reached: &mut Option<i64>) {
        let horner = match row.degree {
            1 => "horner_eval_base",
            _ => "horner_eval_ext",
        };
        let columns = BLOCK / row.degree;
        // What the accumulator is to be multiplied by before a block, with its first column there.
        let before = |power: i64, offset: usize| power - 1 - offset as i64;
        let start = row.powers.first().map(|&power| before(power, 0));
        if let (Some(start), Some(power)) = (start, *reached)
            && start != power
        {
            self.scale(memory, masm, Some(power - start));
        }
        *reached = start;
        masm.add(format_args!("push.{}", self.places.point));
        let sponge = Sponge {
            len: row.len(),
            address: self.places.row,
        };
        masm.sponge(sponge);
        let mut plain = 0;
        for (number, powers) in row.powers.chunks(columns).enumerate() {
            let parts = parts(powers);
            let start = before(powers[0], 0);
            if parts.len() == 1 && powers.len() == columns && *reached == Some(start) {
                plain += 1;
                *reached = Some(start + columns as i64);
                continue;
            }
            masm.repeat(plain, &format!("adv_pipe {horner} hperm"));
            plain = 0;
            masm.add("adv_pipe");
            let address = self.places.row + number * BLOCK;
            let padding = BLOCK - powers.len() * row.degree;
            masm.mask(padding);
            for (i, &(from, to)) in parts.iter().enumerate() {
                let start = before(powers[from], from);
                if let Some(power) = *reached
                    && power != start
                {
                    let factor = self.factor(memory, power - start);
                    masm.add("movup.15 movup.15");
                    masm.load_ext(factor);
                    masm.add("ext2mul movdn.15 movdn.15");
                }
                let cells = from * row.degree..to * row.degree;
                if i > 0 {
                    masm.drop(BLOCK);
                    masm.zeros(cells.start);
                    for cell in cells.clone() {
                        masm.load(address + cell);
                    }
                    masm.zeros(BLOCK - cells.end);
                } else if parts.len() > 1 {
                    masm.mask(BLOCK - cells.end);
                }
                masm.add(horner);
                *reached = Some(start + columns as i64);
            }
            if parts.len() > 1 {
                masm.drop(BLOCK);
                masm.load_word(address);
                masm.load_word(address + WORD);
                masm.mask(padding);
            }
            masm.add("hperm");
        }
        masm.repeat(plain, &format!("adv_pipe {horner} hperm"));
    }

    /// Replaces the composition's columns, combined, by the sum of all quotients.
    fn quotients(&self, masm: &mut Masm) {
        let places = &self.places;
        let z = self.variable(self.circuit.variables.z);
        let [at_point, at_next] = places.combined;
        masm.load_ext(places.sum);
        masm.add("ext2add");
        for (combined, point) in [(at_point, z), (at_next, places.successor)] {
            if combined == at_next {
                masm.load_ext(places.sum);
            }
            masm.load_ext(combined);
            masm.add("ext2sub");
            masm.load(places.x);
            masm.add("push.0");
            masm.load_ext(point);
            masm.add("ext2sub ext2div");
        }
        masm.add("ext2add");
    }

    /// Checks the value on top, above the power of the generator, through all layers.
    fn low_degree(&self, masm: &mut Masm) {
        let places = &self.places;
        masm.add("movup.2");
        let row = Sponge {
            len: BLOCK,
            address: places.row,
        };
        for layer in &places.layers {
            masm.sponge(row);
            masm.add("adv_pipe hperm dropw swapw");
            masm.reload_word(layer.root);
            masm.add("swapw");
            masm.verify_path(layer.index, layer.size.ilog2() as usize);
            masm.add("dropw drop");
            // The address of the layer and the position, which nothing depends on, are zero.
            masm.add("push.0 movdn.3");
            for i in 0..DEGREE {
                masm.load(layer.challenge + i);
                masm.add("movdn.3");
            }
            masm.load(layer.segment);
            masm.add("push.0");
            masm.load_word(row.address);
            masm.load_word(row.address + WORD);
            masm.add("fri_ext2fold4 dropw dropw drop drop drop swap drop");
        }
        let offset = places
            .layers
            .iter()
            .fold(Felt::GENERATOR, |offset, _| offset.exp(4));
        masm.add(format_args!("mul.{}", offset.as_int()));
        masm.add("dup inv dup");
        masm.store(places.inverse);
        // The point to the power of the remainder's degree.
        masm.add("swap");
        let coefficients = self.coefficients();
        masm.repeat(coefficients.ilog2() as usize, "dup mul");
        masm.add("mul");
        masm.store(places.x);
        masm.store_ext(places.value);
        masm.add(format_args!(
            "push.0.0.{}.{} padw padw padw",
            places.inverse, places.remainder
        ));
        let columns = BLOCK / DEGREE;
        masm.repeat(coefficients / columns, "mem_stream horner_eval_ext");
        masm.add("dropw dropw dropw drop drop");
        for i in [1, 0] {
            masm.load(places.x);
            masm.add("mul");
            masm.load(places.value + i);
            masm.add("assert_eq");
        }
    }
}

impl Places {
    fn new(
        shape: &Shape,
        air: &CvmAir,
        circuit: &Circuit,
        rows: &Rows,
        memory: &mut Memory,
    ) -> Self {
        let fri = air.options().to_fri_options();
        let mut size = air.domain_size();
        let layers = (0..fri.num_fri_layers(size)).map(|_| {
            size /= fri.folding_factor();
            Layer {
                size,
                root: memory.take(WORD),
                challenge: memory.take(DEGREE),
                index: memory.take(1),
                segment: memory.take(1),
            }
        });
        let layers: Vec<Layer> = layers.collect();
        let widest = rows
            .main
            .iter()
            .chain(&rows.aux)
            .map(Row::len)
            .max()
            .unwrap_or(BLOCK);
        let hashed = |len: usize| len.next_multiple_of(BLOCK);
        Self {
            circuit: memory.take(VARIABLE_LEN * circuit.num_read() + circuit.num_eval()),
            seed: memory.take(hashed(shape.seed(air).len())),
            roots: core::array::from_fn(|_| memory.take(WORD)),
            layers,
            remainder: memory.take(hashed(DEGREE * size / air.options().blowup_factor())),
            point: memory.take(WORD),
            gamma: memory.take(DEGREE),
            successor: memory.take(DEGREE),
            combined: core::array::from_fn(|_| memory.take(DEGREE)),
            positions: memory.take(air.options().num_queries()),
            next: memory.take(1),
            parts: rows.main.iter().map(|_| memory.take(1)).collect(),
            index: memory.take(1),
            row: memory.take(hashed(widest)),
            node: memory.take(WORD),
            x: memory.take(1),
            sum: memory.take(DEGREE),
            value: memory.take(DEGREE),
            inverse: memory.take(WORD),
        }
    }
}

/// The parts of a block's columns with successive powers.
fn parts(powers: &[i64]) -> Vec<(usize, usize)> {
    let ends = (1..=powers.len()).filter(|&at| {
        powers
            .get(at)
            .is_none_or(|&power| power != powers[at - 1] + 1)
    });
    let mut from = 0;
    ends.map(|to| (std::mem::replace(&mut from, to), to))
        .collect()
}

/// The number of levels between each row of a tree and the next one, or the root.
fn depths(rows: &[Row]) -> Vec<usize> {
    let ends = rows.iter().skip(1).map(|row| row.size).chain([1]);
    let depths = rows.iter().zip(ends);
    depths
        .map(|(row, end)| (row.size / end).ilog2() as usize)
        .collect()
}
