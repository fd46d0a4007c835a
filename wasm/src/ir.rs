//! The form of functions between WebAssembly and Miden assembly: structured control flow over
//! instructions on values of 32 bits. A 64-bit value is two of them, its lower and its higher half.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

/// A variable: a local, or a value that lives across control flow.
pub(crate) type Var = u32;

/// The result of an instruction, used in the same straight-line code.
pub(crate) type Val = u32;

/// A place that branches lead to. Label 0 is the end of the function.
pub(crate) type Label = u32;

/// The type of a parameter or result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// 32 bits, one element.
    I32,
    /// 64 bits, two elements.
    I64,
    /// A reference to a function, or one that only the outside knows, one element; 0 is null.
    Reference,
}

/// Where a procedure finds its parameters. Its results are on the stack, the first one on top; the higher
/// half of a 64-bit value stands above the lower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallingConvention {
    /// On the stack, as results are.
    Stack,
    /// In memory from an address on: two elements for each, the lower half first.
    Memory(u32),
}

/// The stand-in for an imported function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The procedure, as a path such as `bindings::a::b`.
    pub procedure: String,
    /// Where it finds its parameters.
    pub passing: CallingConvention,
    /// Its parameters.
    pub params: Vec<ValueType>,
    /// Its results.
    pub results: Vec<ValueType>,
}

/// An operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Arg {
    Const(u32),
    Val(Val),
    /// A variable's value, and whether it is the last time that the value is needed.
    Var(Var, bool),
}

impl Arg {
    pub(crate) fn var(var: Var) -> Self {
        Self::Var(var, false)
    }
}

/// The width of an access to linear memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Width {
    Byte,
    Half,
    Word,
}

impl Width {
    pub(crate) fn bytes(self) -> u32 {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
        }
    }

    /// The greatest value.
    pub(crate) fn mask(self) -> u32 {
        u32::MAX >> (32 - 8 * self.bytes())
    }
}

/// The target of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Callee {
    /// A function of the module, by its index.
    Function(u32),
    /// An entry of a table, whose number is the last operand, checked to be of a type.
    Indirect { table: u32, ty: u32 },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Op {
    Add,
    Add3,
    /// Sum and carry.
    AddCarry,
    /// Sum of three and carry, which can be 2.
    Add3Carry,
    Sub,
    /// Difference and borrow.
    SubBorrow,
    Mul,
    /// Low and high half of the product.
    MulWide,
    /// `a * b + c`, without what exceeds 32 bits.
    MulAdd,
    /// Low and high half of `a * b + c`.
    MulAddWide,
    DivU,
    RemU,
    And,
    Or,
    Xor,
    Shl,
    ShrU,
    ShrS,
    Rotl,
    Rotr,
    Eqz,
    /// Tests whether both are zero.
    BothZero,
    Eq,
    Ne,
    LtU,
    LeU,
    LtS,
    LeS,
    /// Tests whether `a - b - borrow` is negative.
    Below,
    NotBelow,
    /// The second operand if the first is not zero, else the third.
    Select,
    Ext8,
    Ext16,
    /// A procedure of the runtime, and how many results it has.
    Runtime(&'static str, usize),
    /// `signed`, `offset`
    Load(Width, bool, u64),
    Store(Width, u64),
    /// A cell outside of linear memory.
    CellGet(u32),
    CellSet(u32),
    Call(Callee),
    MemorySize,
}

impl Op {
    /// Returns `true` if nothing is lost if nobody needs the results.
    pub(crate) fn is_pure(&self) -> bool {
        !matches!(
            self,
            Self::DivU
                | Self::RemU
                | Self::Runtime(..)
                | Self::Load(..)
                | Self::Store(..)
                | Self::CellSet(_)
                | Self::Call(_)
        )
    }

    pub(crate) fn is_commutative(&self) -> bool {
        matches!(
            self,
            Self::Add
                | Self::AddCarry
                | Self::Mul
                | Self::MulWide
                | Self::And
                | Self::Or
                | Self::Xor
                | Self::Eq
                | Self::Ne
                | Self::BothZero
        )
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Inst {
    pub(crate) op: Op,
    pub(crate) args: Vec<Arg>,
    pub(crate) results: Vec<Val>,
    /// The variables that live after a call that may come back to this function.
    pub(crate) live_after: Option<Rc<Set>>,
    /// The place in the module of what it comes from.
    pub(crate) offset: u64,
}

/// Where a sequence of nodes can lead.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flow {
    /// `true` if its end can be reached.
    pub(crate) falls: bool,
    /// The labels that it branches to.
    pub(crate) exits: BTreeSet<Label>,
}

#[derive(Debug, Clone)]
pub(crate) struct Arm {
    pub(crate) nodes: Vec<Node>,
    pub(crate) flow: Flow,
    /// The variables that are alive where it begins.
    pub(crate) live: Rc<Set>,
}

#[derive(Debug, Clone)]
pub(crate) enum Node {
    Inst(Inst),
    /// The variable's new value, and whether nobody needs it.
    Set(Var, Arg, bool),
    If {
        cond: Arg,
        then: Box<Arm>,
        els: Box<Arm>,
        /// The variables that are alive after it.
        after: Rc<Set>,
    },
    /// A block: a branch to its label leads to its end.
    Scope {
        label: Label,
        body: Box<Arm>,
        after: Rc<Set>,
    },
    /// A branch to its label leads to its beginning.
    Loop {
        label: Label,
        body: Box<Arm>,
        after: Rc<Set>,
    },
    Exit(Label),
    /// A trap, and the place in the module of what it comes from.
    Trap(&'static str, u64),
}

impl Arm {
    pub(crate) fn new(nodes: Vec<Node>) -> Box<Self> {
        let flow = flow_of(&nodes);
        Box::new(Self {
            nodes,
            flow,
            live: Rc::default(),
        })
    }
}

/// Where a sequence leads.
pub(crate) fn flow_of(nodes: &[Node]) -> Flow {
    let mut flow = Flow {
        falls: true,
        exits: BTreeSet::new(),
    };
    for node in nodes {
        match node {
            Node::Inst(_) | Node::Set(..) => {}
            Node::If { then, els, .. } => {
                flow.exits.extend(&then.flow.exits);
                flow.exits.extend(&els.flow.exits);
                flow.falls = then.flow.falls || els.flow.falls;
            }
            Node::Scope { label, body, .. } => {
                let mut exits = body.flow.exits.clone();
                flow.falls = exits.remove(label) || body.flow.falls;
                flow.exits.extend(exits);
            }
            Node::Loop { label, body, .. } => {
                let mut exits = body.flow.exits.clone();
                exits.remove(label);
                flow.falls = body.flow.falls;
                flow.exits.extend(exits);
            }
            Node::Exit(label) => {
                flow.exits.insert(*label);
                flow.falls = false;
            }
            Node::Trap(..) => flow.falls = false,
        }
        if !flow.falls {
            break;
        }
    }
    flow
}

impl Node {
    /// Returns `true` if what follows is nested in it: not all paths through it lead there.
    fn forks(&self) -> bool {
        match self {
            Self::If { then, els, .. } => {
                let arms = [then, els];
                arms.iter()
                    .any(|arm| !arm.flow.falls || !arm.flow.exits.is_empty())
            }
            Self::Scope { label, body, .. } | Self::Loop { label, body, .. } => {
                body.flow.exits.iter().any(|exit| exit != label)
            }
            _ => false,
        }
    }
}

/// Sequences in which no more than so many nodes fork.
const FORKS: usize = 64;

/// Puts what is between forks into blocks, where there are many in a sequence, so that few are open at one time.
pub(crate) fn group(body: &mut Body) {
    group_nodes(&mut body.nodes, &mut body.labels);
}

fn group_nodes(nodes: &mut Vec<Node>, labels: &mut Label) {
    for node in nodes.iter_mut() {
        match node {
            Node::If { then, els, .. } => {
                group_nodes(&mut then.nodes, labels);
                group_nodes(&mut els.nodes, labels);
            }
            Node::Scope { body, .. } | Node::Loop { body, .. } => {
                group_nodes(&mut body.nodes, labels);
            }
            Node::Inst(_) | Node::Set(..) | Node::Exit(_) | Node::Trap(..) => {}
        }
    }
    while nodes.iter().filter(|node| node.forks()).count() > FORKS {
        let mut groups = Vec::new();
        let mut current = Vec::new();
        let mut forks = 0;
        for node in nodes.drain(..) {
            forks += usize::from(node.forks());
            current.push(node);
            // No value lives across a fork.
            if forks == FORKS {
                forks = 0;
                groups.push(Node::Scope {
                    label: *labels,
                    body: Arm::new(std::mem::take(&mut current)),
                    after: Rc::default(),
                });
                *labels += 1;
            }
        }
        groups.append(&mut current);
        *nodes = groups;
    }
}

/// A function's body.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    pub(crate) nodes: Vec<Node>,
    pub(crate) vars: u32,
    pub(crate) vals: u32,
    pub(crate) labels: u32,
    /// Variables of the parameters, the last on top of the stack.
    pub(crate) params: Vec<Var>,
    /// Variables of the results, the last on top of the stack.
    pub(crate) results: Vec<Var>,
    /// The variables that are alive where it begins.
    pub(crate) entry: Rc<Set>,
}

/// A set of variables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Set(Vec<u64>);

impl Set {
    pub(crate) fn contains(&self, var: Var) -> bool {
        let word = self.0.get(var as usize / 64).copied().unwrap_or(0);
        word >> (var % 64) & 1 == 1
    }

    pub(crate) fn insert(&mut self, var: Var) {
        let index = var as usize / 64;
        if index >= self.0.len() {
            self.0.resize(index + 1, 0);
        }
        self.0[index] |= 1 << (var % 64);
    }

    pub(crate) fn remove(&mut self, var: Var) {
        if let Some(word) = self.0.get_mut(var as usize / 64) {
            *word &= !(1 << (var % 64));
        }
    }

    /// Adds the other's variables; whether there was a new one.
    pub(crate) fn extend(&mut self, other: &Self) -> bool {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        let mut grown = false;
        for (word, other) in self.0.iter_mut().zip(&other.0) {
            grown |= *other & !*word != 0;
            *word |= other;
        }
        grown
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Var> + '_ {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| index as u32 * 64 + bit)
        })
    }
}

/// A decision of emission about a place, remembered because it is made only once.
pub(crate) type Decided<T> = RefCell<Option<T>>;
