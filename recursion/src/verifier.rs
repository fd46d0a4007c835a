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
    masm::{Address, Masm, Memory, Sponge},
    shape::{BLOCK, Shape, WORD},
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
    /// Words that the hasher's state begins with, by the number of elements of the last block.
    capacities: Address,
}

impl Common {
    /// Takes the memory.
    pub fn new(memory: &mut Memory) -> Self {
        Self {
            coin: memory.take(STATE_WIDTH),
            reversed: memory.take(1 << TABLE_BITS),
            swapped: memory.take(4),
            capacities: memory.take(BLOCK * WORD),
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
        for len in 1..BLOCK {
            let address = self.capacities + len * WORD;
            masm.write(address, [Felt::new(len as u64)]);
        }
    }

    /// The word that the hasher's state begins with for so many elements.
    fn capacity(&self, len: usize) -> Address {
        self.capacities + len % BLOCK * WORD
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
    /// The word that FRIE2F4 needs: which value of the row the position is at; the element that folds
    /// it, over the offset of its domain and times the generator, the second coordinate first: FRIE2F4
    /// takes the domains of all layers to have the offset of the first one; and an address, zero.
    folding: Address,
    /// The part of the reversed position that is the index of the row.
    index: Address,
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
    /// The rows of a query, one after the other.
    rows: Address,
    node: Address,
    /// The power of the domain's generator that a query is at.
    power: Address,
    /// The point of a query.
    x: Address,
    /// The pieces' columns of a query, combined.
    sum: Address,
    /// The inverse of a point of the last domain: a word whose other elements are zero.
    inverse: Address,
}

/// The extent to which the rows of a query are read.
struct Reading {
    /// The address of the next one.
    address: Address,
    /// The power that the accumulator is to be multiplied by; nothing if it is zero.
    reached: Option<i64>,
}

/// The verifier of a shape.
#[derive(Debug)]
pub struct Verifier {
    shape: Shape,
    air: CvmAir,
    /// The elements that the transcript begins with, with zeros in the place of the variables.
    seed: Vec<Felt>,
    rows: Rows,
    circuit: Circuit,
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
        let seed = shape.seed(&air);
        let places = Places::new(&air, &circuit, &seed, &rows, memory);
        Self {
            shape,
            air,
            seed,
            rows,
            circuit,
            places,
            factors: BTreeMap::new(),
        }
    }

    fn variable(&self, number: usize) -> Address {
        self.places.circuit + VARIABLE_LEN * number
    }

    /// The advice that is read once, before the first proof: the circuit, and the elements that the transcript
    /// begins with, but for the variables.
    pub fn code(&self) -> Vec<Felt> {
        let mut code = self.circuit.code();
        code.extend(&self.seed);
        code
    }

    /// Reads the code from the advice.
    pub fn load(&self, masm: &mut Masm) {
        let code = self.code();
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
        self.begin(&mut body);
        self.commitments(common, &mut body);
        self.constraints(&mut body);
        self.layers(common, &mut body);
        self.draw_positions(common, &mut body);
        self.prepare(&mut body);
        body.add(format_args!("push.{}", self.places.positions));
        body.store(self.places.next);
        // During the queries the hasher's state, the address that rows are read to, the point's address
        // and an accumulator are on the stack.
        body.zeros(DEGREE + WORD);
        self.addresses(&mut body);
        body.zeros(BLOCK);
        body.add(format_args!(
            "repeat.{} exec.{name}_query end",
            self.num_queries()
        ));
        body.drop(DEGREE + 2 + STATE_WIDTH);
        masm.block(&format!("proc {name}"), &body);
    }

    fn num_queries(&self) -> usize {
        self.air.options().num_queries()
    }

    /// Puts the variables into the beginning of the transcript, and leaves its hash, which the coin is
    /// made of.
    fn begin(&self, masm: &mut Masm) {
        let address = self.places.seed;
        for (number, place) in self.shape.places(&self.seed).enumerate() {
            masm.add("adv_push.1 dup");
            masm.store(address + place);
            masm.store(self.variable(self.circuit.variables.statement + number));
        }
        let sponge = Sponge {
            len: self.seed.len(),
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
                masm.store(layer.folding + DEGREE - i);
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
        let mut reading = Reading {
            address: self.places.rows,
            reached: None,
        };
        self.tree(common, memory, masm, &main, main_root, &mut reading);
        self.tree(common, memory, masm, &aux, aux_root, &mut reading);
        self.scale(memory, masm, reading.reached.replace(0));
        masm.add("dup.15 dup.15");
        masm.store_ext(self.places.sum);
        let composition = [composition];
        self.tree(
            common,
            memory,
            masm,
            &composition,
            composition_root,
            &mut reading,
        );
        self.scale(memory, masm, reading.reached);
        self.quotients(masm);
        self.low_degree(common, masm, reading.address);
        // The accumulator is zero, as it is before the first query.
        masm.add("movup.4 drop movup.4 drop");
        self.addresses(masm);
        masm.add("swapdw");
    }

    /// Puts the addresses that a query begins with below four elements.
    fn addresses(&self, masm: &mut Masm) {
        masm.add(format_args!(
            "push.{} movdn.4 push.{} movdn.4",
            self.places.point, self.places.rows
        ));
    }

    /// Takes the position on top apart.
    fn locate(&self, common: &Common, masm: &mut Masm) {
        let places = &self.places;
        let bits = self.air.domain_size().ilog2() as usize;
        let generator = Felt::get_root_of_unity(bits as u32);
        masm.add("dup");
        masm.add(format_args!("push.{} swap exp.u{bits}", generator.as_int()));
        masm.add(format_args!("dup mul.{}", Felt::GENERATOR.as_int()));
        masm.store(places.x);
        masm.store(places.power);
        // The position, reversed: the lowest bits become the highest ones.
        masm.add("push.0 swap");
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
            masm.store(layer.folding);
            masm.add("dup");
            masm.store(layer.index);
        }
        masm.add("drop");
    }

    /// Multiplies the accumulator below the hasher's state by the power of `gamma` that is still missing.
    fn scale(&mut self, memory: &mut Memory, masm: &mut Masm, power: Option<i64>) {
        if let Some(power) = power.filter(|&power| power != 0) {
            let factor = self.factor(memory, power);
            masm.add("swapdw movup.7 movup.7");
            masm.load_ext(factor);
            masm.add("ext2mul movdn.7 movdn.7 swapdw");
        }
    }

    /// Reads the rows of a tree, takes them into the accumulator, and checks them against the root.
    fn tree(
        &mut self,
        common: &Common,
        memory: &mut Memory,
        masm: &mut Masm,
        rows: &[Row],
        root: Address,
        reading: &mut Reading,
    ) {
        let depths = depths(rows);
        for (number, row) in rows.iter().enumerate() {
            masm.replace_capacity(common.capacity(row.len()));
            self.row(memory, masm, row, reading);
            // The digest is the second word.
            if number > 0 {
                // It is the second half of what is hashed, behind the node.
                masm.replace_capacity(common.capacity(0));
                masm.reload_word(self.places.node);
                masm.add("swapw hperm");
            }
            if number + 1 == rows.len() {
                masm.reload_word(root);
            } else {
                masm.add("adv_loadw");
                masm.copy_word(self.places.node);
            }
            let index = match rows.len() {
                1 => self.places.index,
                _ => self.places.parts[number],
            };
            masm.verify_path(index, depths[number]);
        }
    }

    /// Reads and hashes a row, and takes it into the accumulator.
    fn row(&mut self, memory: &mut Memory, masm: &mut Masm, row: &Row, reading: &mut Reading) {
        let Reading { address, reached } = reading;
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
            let address = *address + number * BLOCK;
            let padding = BLOCK - powers.len() * row.degree;
            masm.mask(padding);
            for (i, &(from, to)) in parts.iter().enumerate() {
                let start = before(powers[from], from);
                if let Some(power) = *reached
                    && power != start
                {
                    self.scale(memory, masm, Some(power - start));
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
        *address += row.len().next_multiple_of(BLOCK);
    }

    /// Replaces the point's address and the accumulator, all columns combined, by the power of the
    /// domain's generator and the sum of all quotients, and swaps the halves of the stack.
    fn quotients(&self, masm: &mut Masm) {
        let places = &self.places;
        let z = self.variable(self.circuit.variables.z);
        let [at_point, at_next] = places.combined;
        masm.add("swapdw movup.7 movup.7");
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
        masm.add("ext2add movup.7 drop");
        masm.load(places.power);
        masm.add("movup.2 movdn.7 swap movdn.6 movdn.5");
    }

    /// Checks the value below the power of the generator through all layers. Four elements and the address
    /// are above them, and eight elements below. Leaves zeros in the place of the value.
    fn low_degree(&self, common: &Common, masm: &mut Masm, rows: Address) {
        let places = &self.places;
        for (number, layer) in places.layers.iter().enumerate() {
            masm.reload_word(common.capacity(0));
            masm.add("swapdw adv_pipe hperm");
            masm.reload_word(layer.root);
            masm.verify_path(layer.index, layer.size.ilog2() as usize);
            // FRIE2F4 takes the address for a position, which nothing depends on.
            masm.add("swapdw");
            masm.reload_word(layer.folding);
            masm.add("movdn.7 movdn.6 movdn.5 swap swapdw");
            let row = rows + number * BLOCK;
            masm.reload_word(row);
            masm.add("swapw");
            masm.reload_word(row + WORD);
            // The address comes before the power again.
            masm.add("fri_ext2fold4 push.0 swapdw movup.4 movdn.5");
        }
        // The value at x is the remainder's if, multiplied by -x, it is what Horner's method in 1/x has to
        // begin with to end with zero.
        let layers = places.layers.iter();
        let offset = layers.fold(Felt::GENERATOR, |offset, _| offset.exp(4));
        masm.add(format_args!("movup.5 mul.{} dup inv", offset.as_int()));
        masm.store(places.inverse);
        masm.add("neg movup.6 dup.1 mul movup.7 movup.2 mul");
        masm.add(format_args!(
            "push.{} movup.7 drop push.{}",
            places.inverse, places.remainder
        ));
        masm.add("movup.2 movdn.7 movup.2 movdn.6 swap movdn.5 movdn.4 swapdw");
        let blocks = self.coefficients() / (BLOCK / DEGREE);
        masm.repeat(blocks, "mem_stream horner_eval_ext");
        masm.add("swapdw dup.7 assertz dup.6 assertz");
    }
}

impl Places {
    fn new(
        air: &CvmAir,
        circuit: &Circuit,
        seed: &[Felt],
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
                folding: memory.take(WORD),
                index: memory.take(1),
            }
        });
        let layers: Vec<Layer> = layers.collect();
        let hashed = |len: usize| len.next_multiple_of(BLOCK);
        let read = rows.main.iter().chain(&rows.aux).chain([&rows.composition]);
        let read: usize = read.map(|row| hashed(row.len())).sum();
        let read = read + layers.len() * BLOCK;
        // They are read as one, and the circuit is whole blocks.
        let code_len = VARIABLE_LEN * circuit.num_read() + circuit.num_eval();
        let first = memory.take(code_len + hashed(seed.len()));
        Self {
            circuit: first,
            seed: first + code_len,
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
            rows: memory.take(read),
            node: memory.take(WORD),
            power: memory.take(1),
            x: memory.take(1),
            sum: memory.take(DEGREE),
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
