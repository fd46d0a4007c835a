//! Arithmetic circuits for EVALCIRCUIT, and what they evaluate to by plain integer arithmetic.

use super::Case;

const MODULUS: u128 = 0xffff_ffff_0000_0001;

/// Operations of gates, as instructions have them.
pub const SUB: u64 = 0;
/// See [`SUB`].
pub const MUL: u64 = 1;
/// See [`SUB`].
pub const ADD: u64 = 2;

/// A gate's instruction.
pub fn instruction(operation: u64, left: u64, right: u64) -> u64 {
    left + (right << 30) + (operation << 60)
}

/// A circuit as it lies in memory.
#[derive(Clone, Debug)]
pub struct Circuit {
    /// Elements of the quadratic extension, lower coefficient first.
    pub variables: Vec<[u64; 2]>,
    /// One for each gate.
    pub instructions: Vec<u64>,
}

impl Circuit {
    /// `x · (x - 1) = y` for these two: gates and constants as in the core library's tests.
    pub fn product(x: [u64; 2], y: [u64; 2]) -> Self {
        Self {
            variables: vec![x, y, [MODULUS as u64 - 1, 0], [0, 0]],
            instructions: vec![
                instruction(ADD, 7, 5),
                instruction(MUL, 7, 3),
                instruction(SUB, 2, 6),
                instruction(MUL, 1, 1),
            ],
        }
    }

    /// A circuit of random gates whose last one compares the result with a variable: that of the
    /// plain evaluation, or another one if `wrong`.
    pub fn random(random: &mut impl FnMut() -> u32, pairs: u32, words: u32, wrong: bool) -> Self {
        let mut element = || {
            let value = u64::from(random()) << 32 | u64::from(random());
            (u128::from(value) % MODULUS) as u64
        };
        let mut variables: Vec<[u64; 2]> = (0..2 * pairs).map(|_| [element(), element()]).collect();
        variables[0] = [1, 0];
        let wires = u64::from(2 * pairs + 4 * words);
        let mut instructions = Vec::new();
        for id in (2..u64::from(4 * words)).rev() {
            // The last variable is for the result alone, and recent wires are for the most part.
            let mut operand = || {
                let earlier = wires - id - 1;
                let reach = if random().is_multiple_of(4) {
                    earlier
                } else {
                    earlier.min(6)
                };
                match id + 1 + u64::from(random()) % reach {
                    picked if picked == u64::from(4 * words) => picked + 1,
                    picked => picked,
                }
            };
            let (left, right) = (operand(), operand());
            instructions.push(instruction(u64::from(random() % 3), left, right));
        }
        let expected = 4 * u64::from(words);
        instructions.push(instruction(SUB, 2, expected));
        instructions.push(instruction(ADD, 1, 1));
        let mut circuit = Self {
            variables,
            instructions,
        };
        let values = circuit.evaluate();
        let result = values[values.len() - 3];
        let last = circuit.variables.len() - 1;
        circuit.variables[last] = result;
        circuit.variables[last][0] ^= u64::from(wrong);
        circuit
    }

    /// The values of all wires, in the order of memory; operands have to come before their gates.
    pub fn evaluate(&self) -> Vec<[u64; 2]> {
        let mut values = self.variables.clone();
        let wires = self.variables.len() + self.instructions.len();
        for &code in &self.instructions {
            let operand = |id: u64| values[wires - 1 - (id & 0x3fff_ffff) as usize];
            let [a, b] = operand(code).map(u128::from);
            let [c, d] = operand(code >> 30).map(u128::from);
            let minus = |x: u128| MODULUS - x % MODULUS;
            // x^2 = x - 2.
            let value = match code >> 60 {
                SUB => [a + minus(c), b + minus(d)],
                MUL => {
                    let upper = b * d % MODULUS;
                    let cross = a * d % MODULUS + b * c % MODULUS;
                    [a * c % MODULUS + minus(2 * upper), cross + upper]
                }
                _ => [a + c, b + d],
            };
            values.push(value.map(|x| (x % MODULUS) as u64));
        }
        values
    }

    /// The memory that holds the circuit.
    pub fn memory(&self) -> Vec<u64> {
        let mut memory = self.variables.concat();
        memory.extend(&self.instructions);
        memory
    }

    /// Instructions that load the circuit from advice to `at`, and the advice.
    pub fn load(&self, at: u64) -> (String, Vec<u64>) {
        let mut advice = self.memory();
        advice.resize(advice.len().next_multiple_of(8), 0);
        let pipes = advice.len() / 8;
        let source = format!(
            "push.{at} padw padw padw repeat.{pipes} adv_pipe end dropw dropw dropw drop\n"
        );
        (source, advice)
    }

    /// Instructions that evaluate the circuit at `at`.
    pub fn evaluation(&self, at: u64) -> String {
        let (num_read, num_eval) = (self.variables.len(), self.instructions.len());
        format!("push.{num_eval} push.{num_read} push.{at} eval_circuit drop drop drop\n")
    }

    /// A program that loads the circuit to `at` and evaluates it.
    pub fn case(&self, name: &str, at: u64) -> Case {
        let (load, advice) = self.load(at);
        let evaluation = self.evaluation(at);
        Case::masm(name, &format!("begin {load} {evaluation} end")).advice(advice)
    }
}

/// Circuits that evaluate to zero, in all places and contexts.
pub fn valid_circuits() -> Vec<Case> {
    let product = Circuit::product([7, 0], [42, 0]);
    let mut cases = vec![
        product.case("a product", 1 << 16),
        Circuit::product([3, 1], [4, 6]).case("a product in the extension", 0),
        product.case("a circuit at the end of memory", (1 << 32) - 16),
        Circuit {
            variables: vec![[9, 5], [MODULUS as u64 - 1, 1]],
            instructions: vec![
                instruction(MUL, 5, 4),
                instruction(ADD, 3, 5),
                instruction(SUB, 2, 3),
                instruction(SUB, 1, 5),
            ],
        }
        .case("the smallest circuit", 40),
        Circuit {
            variables: vec![[9, 5], [0, 0]],
            instructions: vec![instruction(SUB, 5, 5), 0, 0, 0]
                .into_iter()
                .zip((0..4).rev())
                .map(|(code, id)| {
                    if id == 3 {
                        code
                    } else {
                        instruction(SUB, id + 1, id + 1)
                    }
                })
                .collect(),
        }
        .case("operands that are the same", 40),
    ];
    let mut random = super::random_from(17);
    for (pairs, words) in [(1, 1), (3, 2), (20, 30), (1, 60), (60, 1)] {
        let circuit = Circuit::random(&mut random, pairs, words, false);
        cases.push(circuit.case(&format!("{pairs} pairs and {words} words"), 128));
    }

    let (load, advice) = product.load(64);
    let evaluation = product.evaluation(64);
    let repeated = format!("begin repeat.3 {load} repeat.2 {evaluation} end end end");
    cases.push(Case::masm("a circuit six times", &repeated).advice(advice.repeat(3)));
    let called =
        format!("proc p {load} {evaluation} end begin call.p {load} {evaluation} call.p end");
    cases.push(Case::masm("circuits in contexts", &called).advice(advice.repeat(3)));
    let kernel = format!("pub proc k push.1 {evaluation} drop end");
    let source =
        format!("begin {load} syscall.k push.6 mem_store.64 push.30 mem_store.66 syscall.k end");
    cases.push(Case::with_kernel("circuits of the kernel", &kernel, &source).advice(advice));
    cases
}

/// Circuits that are refused, each for its own reason.
pub fn refused_circuits() -> Vec<Case> {
    let product = Circuit::product([7, 0], [42, 0]);
    let mut cases = vec![
        Circuit::product([7, 0], [43, 0]).case("another result", 64),
        Circuit::product([7, 0], [42, 1]).case("another upper coefficient", 64),
        Circuit::random(&mut super::random_from(5), 4, 4, true).case("a wrong result", 64),
        Case::masm(
            "no circuit in memory",
            &format!("begin {} end", product.evaluation(0)),
        ),
    ];
    for (name, gate, code) in [
        ("operation 3", 1, instruction(3, 7, 6)),
        ("the largest operation", 0, 0xffff_ffff_0000_0000),
        ("a gate's own result on the left", 1, instruction(ADD, 2, 7)),
        (
            "a gate's own result on the right",
            1,
            instruction(ADD, 7, 2),
        ),
        ("a later gate", 0, instruction(MUL, 7, 0)),
        ("a wire above the first", 0, instruction(MUL, 8, 7)),
        ("the largest wire", 0, instruction(MUL, 7, 0x3fff_ffff)),
        (
            "the wrong order of wires and decoding",
            0,
            instruction(9, 0, 0),
        ),
    ] {
        let mut circuit = product.clone();
        circuit.instructions[gate] = code;
        cases.push(circuit.case(name, 64));
    }

    let (load, advice) = product.load(64);
    for (at, num_read, num_eval) in [
        (64u64, 4u64, 0u64),
        (64, 0, 4),
        (64, 0, 0),
        (64, 3, 4),
        (64, 4, 3),
        (64, 3, 3),
        (64, 1 << 30, 4),
        (64, (1 << 30) - 4, 4),
        (64, 1, 1 << 30),
        (64, 4, (1 << 62) + 4),
        (66, 4, 4),
        (1 << 32, 4, 4),
        ((1 << 32) - 2, 4, 4),
        (MODULUS as u64 - 4, 4, 4),
        // The variables lie at the end of memory, the gates beyond it; or half of the variables.
        ((1 << 32) - 8, 4, 4),
        ((1 << 32) - 4, 4, 4),
    ] {
        let source = format!(
            "begin {load} push.{num_eval} push.{num_read} push.{at} eval_circuit drop drop drop end"
        );
        let name = format!("{num_read} variables and {num_eval} gates at {at}");
        cases.push(Case::masm(&name, &source).advice(advice.clone()));
    }
    cases
}

/// All of them.
pub fn circuit_cases() -> Vec<Case> {
    let mut cases = valid_circuits();
    cases.extend(refused_circuits());
    cases
}
