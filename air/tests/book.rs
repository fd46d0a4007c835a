//! The tables of the book say what the code says: columns, constraints, buses, messages, packing and
//! security. Each test reads a chapter and compares it with what the AIR declares.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use miden_cvm_air::{
    MAX_DEGREE,
    air::{COMPOSITION_COLUMNS, CvmAir},
    boundary::Boundary,
    builder::ConstraintInfo,
    columns::{NUM_HELPERS, STACK_TOP},
    composition::{Intrinsic, IntrinsicCall, LinkKind, Right},
    heights::Heights,
    lookup::{Bus, MAX_MESSAGE_WIDTH, MessageInfo, Slot},
    options::{OptionSet, ProofSettings},
    proof::{HEADER_LEN, MAGIC, MAX_STARK_LEN, VERSION},
    public::PublicInputs,
    requests::MAX_REQUESTS_LEN,
    security::Protocol,
    table::Table,
};

const ARCHITECTURE: &str = include_str!("../../docs/src/architecture.md");
const TRACE: &str = include_str!("../../docs/src/trace.md");
const CONSTRAINTS: &str = include_str!("../../docs/src/constraints.md");
const BUSES: &str = include_str!("../../docs/src/buses.md");
const MODEL: &str = include_str!("../../docs/src/model.md");
const RESOURCES: &str = include_str!("../../docs/src/resources.md");
const SECURITY: &str = include_str!("../../docs/src/security.md");
const COLUMNS_SOURCE: &str = include_str!("../src/columns.rs");
const MESSAGES_SOURCE: &str = include_str!("../src/lookup/message.rs");

/// The constraints of all tables.
fn constraint_catalog() -> Vec<ConstraintInfo> {
    let constraints = Table::ALL.into_iter().flat_map(Table::constraint_catalog);
    constraints.collect()
}

/// The messages of all tables.
fn message_catalog() -> Vec<(Table, MessageInfo)> {
    let of = |table: Table| {
        let messages = table.message_catalog().into_iter();
        messages.map(move |message| (table, message))
    };
    Table::ALL.into_iter().flat_map(of).collect()
}

/// The number of slots that a table uses.
fn slots(table: Table) -> usize {
    table.packing().columns.iter().map(Vec::len).sum()
}

/// Tables of one height.
fn uniform(log_height: u32) -> Heights {
    Heights::uniform(1 << log_height).expect("an allowed height")
}

/// The boundary constraints of all tables.
fn boundaries(public: &PublicInputs) -> Vec<Boundary> {
    let boundaries = Table::ALL
        .into_iter()
        .flat_map(|table| table.boundaries(public));
    boundaries.collect()
}

/// The rows of all tables in a chapter whose first column has this heading, as cells without
/// backticks. The heading is the last one before the table.
fn rows<'a>(chapter: &'a str, first_column: &str) -> Vec<(&'a str, Vec<String>)> {
    let mut found = Vec::new();
    let mut heading = "";
    let mut inside = false;
    for line in chapter.lines() {
        if let Some(title) = line.strip_prefix("#") {
            heading = title.trim_start_matches('#').trim();
        }
        let Some(line) = line.strip_prefix("| ") else {
            inside = false;
            continue;
        };
        let cells: Vec<String> = line
            .trim_end_matches('|')
            .split('|')
            .map(|cell| cell.trim().replace('`', ""))
            .collect();
        if !inside {
            inside = cells[0] == first_column;
        } else if !cells[0].starts_with("---") {
            found.push((heading, cells));
        }
    }
    assert!(!found.is_empty(), "no table of {first_column}s");
    found
}

/// Reports what stands on one side only.
fn compare<T: Ord + std::fmt::Debug>(what: &str, book: &BTreeSet<T>, code: &BTreeSet<T>) {
    let missing: Vec<_> = code.difference(book).collect();
    let stale: Vec<_> = book.difference(code).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "{what}: the book lacks {missing:#?}\nand has {stale:#?}, which the code does not have"
    );
}

/// Rows of a table as a set, after checking that no two are the same.
fn unique<T: Ord + std::fmt::Debug>(items: impl IntoIterator<Item = T>) -> BTreeSet<T> {
    let mut set = BTreeSet::new();
    for item in items {
        let text = format!("{item:?}");
        assert!(set.insert(item), "the book has {text} twice");
    }
    set
}

/// `name[3]` without its index.
fn family(name: &str) -> (String, bool) {
    match name.split_once('[') {
        Some((name, _)) => (format!("{name}[i]"), true),
        None => (name.into(), false),
    }
}

#[test]
fn constraints_are_those_of_the_code() {
    let book = unique(rows(CONSTRAINTS, "constraint").into_iter().map(|(_, row)| {
        let [name, number, degree, _, _] = &row[..] else {
            panic!("a constraint has five cells: {row:?}");
        };
        (name.clone(), number.clone(), degree.clone())
    }));
    let mut families: BTreeMap<(String, usize), usize> = BTreeMap::new();
    for constraint in constraint_catalog() {
        assert!(constraint.degree <= MAX_DEGREE);
        let (name, _) = family(&constraint.name);
        *families.entry((name, constraint.degree)).or_default() += 1;
    }
    let code = families
        .into_iter()
        .map(|((name, degree), number)| (name, number.to_string(), degree.to_string()))
        .collect();
    compare("constraints", &book, &code);
}

#[test]
fn boundary_constraints_are_those_of_the_code() {
    let book = unique(rows(CONSTRAINTS, "boundary").into_iter().map(|(_, row)| {
        let [name, number, place, _, _] = &row[..] else {
            panic!("a boundary constraint has five cells: {row:?}");
        };
        (name.clone(), number.clone(), place.clone())
    }));
    let mut families: BTreeMap<(String, bool), usize> = BTreeMap::new();
    for Boundary { name, last, .. } in boundaries(&PublicInputs::default()) {
        *families.entry((family(&name).0, last)).or_default() += 1;
    }
    let code = families
        .into_iter()
        .map(|((name, last), number)| {
            let place = if last { "last" } else { "first" };
            (name, number.to_string(), place.to_string())
        })
        .collect();
    compare("boundary constraints", &book, &code);
}

#[test]
fn the_number_of_constraints_is_stated() {
    let (constraints, boundaries) = (
        constraint_catalog().len(),
        boundaries(&PublicInputs::default()).len(),
    );
    let stated = format!("{constraints} transition constraints");
    assert!(CONSTRAINTS.contains(&stated), "{stated}");
    let stated = format!("{boundaries} boundary constraints");
    assert!(CONSTRAINTS.contains(&stated), "{stated}");
}

#[test]
fn buses_are_those_of_the_code() {
    let book = unique(
        rows(BUSES, "bus")
            .into_iter()
            .map(|(_, row)| (row[0].clone(), row[1].clone())),
    );
    let code = Bus::ALL
        .into_iter()
        .map(|bus| (format!("{bus:?}"), (bus as u8).to_string()))
        .collect();
    compare("buses", &book, &code);
}

/// Draws which tables speak on which buses.
fn drawing() -> String {
    let mut tables: BTreeMap<Bus, BTreeSet<Table>> = BTreeMap::new();
    for (table, message) in message_catalog() {
        tables.entry(message.bus).or_default().insert(table);
    }
    let mut between: BTreeMap<BTreeSet<Table>, Vec<Bus>> = BTreeMap::new();
    for (bus, tables) in tables {
        between.entry(tables).or_default().push(bus);
    }
    let mut text = String::from("flowchart LR\n");
    for (number, (tables, buses)) in between.iter().enumerate() {
        let names: Vec<String> = buses.iter().map(|bus| format!("{bus:?}")).collect();
        text += &format!("    b{number}([\"{}\"])\n", names.join("<br>"));
        for table in tables {
            text += &format!("    {} --- b{number}\n", table.name());
        }
    }
    text
}

#[test]
fn the_drawing_of_buses_is_that_of_the_code() {
    let expected = drawing();
    assert!(ARCHITECTURE.contains(&expected), "draw it so:\n{expected}");
}

#[test]
fn messages_are_those_of_the_code() {
    let book = unique(
        rows(BUSES, "message")
            .into_iter()
            .map(|(_, row)| (row[0].clone(), row[1].clone(), row[2].clone())),
    );
    let code = message_catalog()
        .into_iter()
        .map(|(table, message)| {
            let bus = format!("{:?}", message.bus);
            (message.name, bus, slot_name(table, message.slot.0))
        })
        .collect();
    let stated = format!("There are {} messages", message_catalog().len());
    assert!(BUSES.contains(&stated), "{stated}");
    compare("messages", &book, &code);
}

#[test]
fn coordinates_are_those_of_the_code() {
    let book = unique(
        rows(BUSES, "type")
            .into_iter()
            .map(|(_, row)| (row[0].clone(), row[1].clone(), row[2].clone())),
    );
    let mut code = BTreeSet::new();
    for line in MESSAGES_SOURCE.lines() {
        let header = line.trim().strip_suffix(" {");
        if let Some((name, bus)) = header.and_then(|header| header.split_once(" on "))
            && !name.contains(' ')
            && !bus.starts_with('$')
        {
            let fields = fields(MESSAGES_SOURCE, &format!("{name} on {bus} {{"));
            let fields: Vec<_> = fields.iter().map(show_field).collect();
            code.insert((name.to_owned(), bus.to_owned(), fields.join(", ")));
        }
    }
    for name in ["LinkCoords", "SegmentCoords"] {
        let fields = fields(MESSAGES_SOURCE, &format!("struct {name}<T> {{"));
        let fields: Vec<_> = fields.iter().map(show_field).collect();
        code.insert((name.into(), "-".into(), fields.join(", ")));
    }
    compare("coordinates", &book, &code);
}

#[test]
fn packing_is_that_of_the_code() {
    let book = rows(BUSES, "auxiliary column");
    let book: Vec<_> = book.into_iter().map(|(_, row)| row).collect();
    let mut code = Vec::new();
    for table in Table::ALL {
        let packing = table.packing();
        let columns = packing.columns.iter().zip(&packing.degrees).enumerate();
        for (column, (slots, degree)) in columns {
            let slots: Vec<_> = slots.iter().map(|&slot| slot_name(table, slot)).collect();
            code.push(vec![
                format!("{}, {column}", table.name()),
                slots.join(", "),
                degree.to_string(),
            ]);
        }
    }
    assert_eq!(book, code);
}

#[test]
fn columns_are_those_of_the_code() {
    let structs = [
        "SystemCols",
        "OpcodeCols",
        "DecoderCols",
        "StackCols",
        "RangeRow",
        "HasherRow",
        "CycleEnd",
        "MerkleArgs",
        "InitArgs",
        "BitwiseRow",
        "ResourceRow",
        "ResourceOps",
        "TableRequestCells",
        "AskedCells",
        "ResourceOutcome",
        "TokenCells",
        "IntrinsicCols",
        "MemoryRow",
        "RomRow",
        "CircuitRow",
        "InstanceRow",
        "InstanceOps",
        "OrderCells",
        "CallCols",
        "EndCols",
    ];
    let book = unique(
        rows(TRACE, "column")
            .into_iter()
            .map(|(heading, row)| (struct_in(heading), row[0].clone(), row[1].clone())),
    );
    let mut code = BTreeSet::new();
    for name in structs {
        for (field, cells) in fields(COLUMNS_SOURCE, &format!("struct {name}<T> {{")) {
            code.insert((name.to_owned(), field, cells.to_string()));
        }
    }
    compare("columns", &book, &code);
    let widths = rows(TRACE, "table of a trace")
        .into_iter()
        .map(|(_, row)| row[..4].to_vec());
    let expected = Table::ALL.map(|table| {
        vec![
            table.name().to_owned(),
            table.width().to_string(),
            table.packing().width().to_string(),
            table.min_height().to_string(),
        ]
    });
    assert_eq!(widths.collect::<Vec<_>>(), expected);
    let stated = format!("{NUM_HELPERS} helpers");
    assert!(TRACE.contains(&stated), "{stated}");
}

#[test]
fn security_is_that_of_the_code() {
    let public = PublicInputs::default();
    let mut lengths = Vec::new();
    for line in SECURITY.lines() {
        // The heading says for which trace lengths there are columns.
        if line.starts_with("| parameter set |") {
            lengths = line
                .split('|')
                .filter_map(|cell| cell.trim().strip_prefix("2^")?.parse::<u32>().ok())
                .collect();
        }
    }
    assert!(!lengths.is_empty(), "no table of security");
    let book: Vec<_> = rows(SECURITY, "parameter set")
        .into_iter()
        .map(|(_, row)| row)
        .collect();
    let code: Vec<_> = OptionSet::ALL
        .into_iter()
        .map(|set| {
            let settings = ProofSettings::from(set);
            let mut row = vec![format!("{set:?}")];
            for &length in &lengths {
                row.push(if set.allows(&uniform(length)) {
                    let security = settings.security(&uniform(length), &public);
                    format!("{} / {}", security.proven, security.conjectured)
                } else {
                    "refused".into()
                });
            }
            row
        })
        .collect();
    assert_eq!(book, code);

    let book: Vec<_> = rows(SECURITY, "set, at its longest trace")
        .into_iter()
        .map(|(_, row)| row)
        .collect();
    let code: Vec<_> = OptionSet::ALL
        .into_iter()
        .map(|set| {
            let settings = ProofSettings::from(set);
            let longest = set.max_height();
            let security = settings.security(&uniform(longest.ilog2()), &public);
            let parts = security.parts;
            let bits = [
                parts.lookups,
                parts.unique_decoding.least(),
                parts.list_decoding.least(),
                security.proven,
                parts.protocol,
                parts.constraints,
                parts.out_of_domain,
                parts.quotients,
                security.conjectured,
            ];
            let names = [format!("{set:?}"), format!("2^{}", longest.ilog2())];
            names
                .into_iter()
                .chain(bits.map(|bits| bits.to_string()))
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(book, code);

    let book: Vec<_> = rows(SECURITY, "rounds, at the longest trace")
        .into_iter()
        .map(|(_, row)| row)
        .collect();
    let code: Vec<_> = OptionSet::ALL
        .into_iter()
        .flat_map(|set| {
            let longest = set.max_height();
            let parts = ProofSettings::from(set)
                .security(&uniform(longest.ilog2()), &public)
                .parts;
            let regimes = [
                ("unique", parts.unique_decoding),
                ("list", parts.list_decoding),
            ];
            regimes.map(|(name, rounds)| {
                let bits = [
                    rounds.queries,
                    rounds.folding,
                    rounds.quotients,
                    rounds.out_of_domain,
                    rounds.constraints,
                ];
                let names = [format!("{set:?}, {name}")];
                names
                    .into_iter()
                    .chain(bits.map(|bits| bits.to_string()))
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    assert_eq!(book, code);
    let air = CvmAir::new(uniform(9), public, OptionSet::Fast96.proof_options());
    for stated in [
        format!("`C` = {}", air.total_constraints()),
        format!(
            "{} columns of the tables and {COMPOSITION_COLUMNS} of the composition",
            air.trace_width()
        ),
        format!("{} slots", Table::ALL.map(slots).iter().sum::<usize>()),
    ] {
        assert!(SECURITY.contains(&stated), "{stated}");
    }
}

/// The description of this machine in the format of the Ethereum Foundation's calculator
/// `soundcalc`: its proven sets, at a length of each size.
fn soundcalc() -> String {
    const HEAD: &str = "\
# Miden CVM in the format of the calculator `soundcalc` (https://github.com/ethereum/soundcalc).
#
# A test builds this file from the constants of the code and compares it with what is here. Every
# coordinate of a message has a challenge of its own; the calculator knows powers of one challenge
# only, and counts its error once per coordinate, so the figure for the lookups is lower than the
# argument's. The gap to the Johnson bound is a choice of the analysis; the calculator's own is too
# narrow for the longest traces.

[zkevm]
name = \"Miden CVM\"
protocol_family = \"FRI_STARK\"
version = \"VERSION\"
field = \"Goldilocks^3\"
hash_size_bits = 256
";
    let mut text = HEAD.replace("VERSION", env!("CARGO_PKG_VERSION"));
    for set in [OptionSet::Proven100, OptionSet::Proven128] {
        for log_length in [16, 20, 24] {
            let options = set.proof_options();
            assert_eq!(options.field_extension().degree(), 3);
            let length = 1usize << log_length;
            let air = CvmAir::new(
                uniform(log_length),
                PublicInputs::default(),
                options.clone(),
            );
            let protocol = Protocol::of(&air);
            let fri = options.to_fri_options();
            let layers = fri.num_fri_layers(air.domain_size());
            let last = air.domain_size() >> (layers as u32 * fri.folding_factor().ilog2());
            // In the middle of those multiplicities that give as much as the best one.
            let best = protocol.list_decoding().least();
            let all: Vec<u32> = (3..1 << 12)
                .filter(|&m| protocol.list_decoding_at(m).least() == best)
                .collect();
            let multiplicity = f64::from(all[all.len() / 2]);
            let rate = 1.0 / options.blowup_factor() as f64;
            let foldings = vec![fri.folding_factor().to_string(); layers].join(", ");
            text += &format!(
                "
[[circuits]]
name = \"{set:?}, 2^{log_length} rows\"
trace_length = {length}
rho = {rate}
gap_to_radius = {:.6}
air_max_degree = {}
num_columns = {}
num_constraints = {}
opening_points = 2
batch_size = {}
power_batching = true
num_queries = {}
fri_folding_factors = [{foldings}]
fri_early_stop_degree = {last}
grinding_query_phase = {}

[[circuits.lookups]]
name = \"messages\"
logup_type = \"univariate\"
rows_L = {length}
rows_T = 0
num_columns_S = {}
num_lookups_M = {}
",
                rate.sqrt() / (2.0 * multiplicity),
                protocol.degree,
                air.trace_width(),
                protocol.constraints,
                protocol.columns,
                options.num_queries(),
                options.grinding_factor(),
                // The bus is a coordinate too.
                MAX_MESSAGE_WIDTH + 1,
                Table::ALL.map(slots).iter().sum::<usize>(),
            );
        }
    }
    text
}

#[test]
fn the_calculators_description_is_that_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/soundcalc.toml");
    let (written, built) = (
        fs::read_to_string(path).expect("the description"),
        soundcalc(),
    );
    assert!(written == built, "docs/soundcalc.toml has to be:\n{built}");
}

#[test]
fn the_envelope_is_that_of_the_code() {
    let rows = rows(SECURITY, "bytes");
    let bytes = rows.iter().map(|(_, row)| row[0].parse::<usize>());
    let total: Result<usize, _> = bytes.sum();
    assert_eq!(total, Ok(HEADER_LEN));
    let magic = core::str::from_utf8(&MAGIC).expect("letters");
    let power = |limit: usize| {
        assert!(limit.is_power_of_two());
        format!("at most 2^{}", limit.ilog2())
    };
    let tables = Table::COUNT;
    for (row, expected) in [
        (0, magic.into()),
        (1, format!("version: {VERSION};")),
        (4, format!("number of tables: {tables}")),
        (6, power(MAX_STARK_LEN)),
        (8, power(MAX_REQUESTS_LEN)),
    ] {
        let content = &rows[row].1[1];
        assert!(
            content.contains(&expected),
            "{content} does not say {expected}"
        );
    }
    let stated = format!("a header of {HEADER_LEN} bytes");
    assert!(SECURITY.contains(&stated), "{stated}");
}

#[test]
fn links_lead_somewhere() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src");
    let mut anchors: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut texts: BTreeMap<String, String> = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the chapters") {
        let path = entry.expect("a chapter").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        let text = fs::read_to_string(&path).expect("a text");
        let headings = text.lines().filter(|line| line.starts_with('#'));
        anchors.insert(name.to_string(), headings.map(anchor).collect());
        texts.insert(name.into_owned(), text);
    }
    for (name, text) in &texts {
        let links = text.split("](").skip(1);
        for link in links.filter_map(|rest| Some(rest.split_once(')')?.0)) {
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            if file.starts_with("https://") {
                continue;
            }
            let file = if file.is_empty() { name } else { file };
            let found = anchors
                .get(file)
                .is_some_and(|anchors| place.is_empty() || anchors.contains(place));
            assert!(found, "{name} links to {link}");
        }
        let summary = &texts["SUMMARY.md"];
        let is_chapter = name.ends_with(".md") && name != "SUMMARY.md";
        let listed = !is_chapter || summary.contains(&format!("({name})"));
        assert!(listed, "{name} is not in the summary");
    }
}

/// The anchor of a heading: the one it states, or its text in lower case with hyphens.
fn anchor(heading: &str) -> String {
    if let Some((_, stated)) = heading.split_once("{#") {
        return stated.trim_end_matches('}').into();
    }
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    text.chars()
        .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// The fields of a struct in a source, with their numbers of cells.
fn fields(source: &str, header: &str) -> Vec<(String, usize)> {
    let (_, body) = source
        .split_once(header)
        .unwrap_or_else(|| panic!("no `{header}` in the source"));
    let (body, _) = body.split_once('}').expect("the end of the struct");
    body.lines()
        .filter_map(|line| {
            let line = line.trim();
            let line = line.strip_prefix("pub ").unwrap_or(line);
            let (name, ty) = line.split_once(": ")?;
            let ty = ty.strip_suffix(',')?;
            (!line.starts_with("//")).then(|| (name.to_owned(), cells(ty)))
        })
        .collect()
}

/// The number of cells of a type.
fn cells(ty: &str) -> usize {
    let array = ty
        .strip_prefix("[T; ")
        .and_then(|rest| rest.strip_suffix(']'));
    match (ty, array) {
        ("T", _) => 1,
        ("LinkCoords<T>", _) => 12,
        ("SegmentCoords<T>", _) => 9,
        ("ResourceOps<T>", _) => 8,
        ("TableRequestCells<T>", _) => 12,
        ("TokenCells<T>", _) => 5,
        ("InstanceOps<T>", _) => 21,
        ("AskedCells<T>", _) => 9,
        (_, Some("STACK_TOP")) => STACK_TOP,
        (_, Some(number)) => number.parse().expect("a number of cells"),
        _ => panic!("`{ty}` has an unknown number of cells"),
    }
}

fn show_field((name, cells): &(String, usize)) -> String {
    match cells {
        1 => name.clone(),
        cells => format!("{name}[{cells}]"),
    }
}

/// The struct that a heading such as "Clock and context (`SystemCols`)" names.
fn struct_in(heading: &str) -> String {
    heading.split('`').nth(1).unwrap_or(heading).to_owned()
}

fn slot_name(table: Table, slot: usize) -> String {
    let core: [(&str, &[Slot]); 4] = [
        ("OP", &Slot::OP),
        ("CALL", &Slot::CALL),
        ("OVERFLOW", &Slot::OVERFLOW),
        ("OPERAND", Slot::OPERAND.as_flattened()),
    ];
    if table == Table::Instances && Slot(slot) == Slot::FACT {
        return "FACT".into();
    }
    let others: [(&str, &[Slot]); 3] = [
        ("WIDE", &Slot::WIDE),
        ("WORD", &Slot::WORD),
        ("CHECK", &Slot::CHECK),
    ];
    let groups = match table {
        Table::Core => &core[..],
        _ => &others,
    };
    for (name, slots) in groups {
        if let Some(position) = slots.iter().position(|&Slot(number)| number == slot) {
            return format!("{name}[{position}]");
        }
    }
    panic!("slot {slot} is in no group");
}

#[test]
fn intrinsics_are_those_of_the_code() {
    let right = |right| match right {
        Right::Definer => "the type's definer",
        Right::Holder => "any instance",
        Right::Maker => "any instance, for a type of instances",
        Right::Instance => "any instance, without a type",
        Right::Installer => "any instance that installs others",
        Right::Kernel => "the kernel",
    };
    let book = unique(rows(RESOURCES, "intrinsic").into_iter().map(|(_, row)| row));
    let code = Intrinsic::ALL.into_iter().map(|intrinsic| {
        let last = match intrinsic {
            Intrinsic::Drop => IntrinsicCall::destructor(true),
            Intrinsic::RecvBorrow => IntrinsicCall {
                by_definer: true,
                ..IntrinsicCall::of(intrinsic)
            },
            _ => IntrinsicCall::of(intrinsic),
        };
        let meaning = match (intrinsic.code(), last.code()) {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first} to {last}"),
        };
        vec![
            intrinsic.name().into(),
            (intrinsic as u8).to_string(),
            meaning,
            intrinsic.effect().into(),
            right(intrinsic.right()).into(),
        ]
    });
    compare("intrinsics", &book, &code.collect());
}

#[test]
fn kinds_of_calls_are_those_of_the_code() {
    let book = unique(rows(MODEL, "kind of call").into_iter().map(|(_, row)| row));
    let code = LinkKind::ALL.into_iter().map(|kind| {
        vec![
            kind.name().into(),
            (kind as u8).to_string(),
            kind.code().to_string(),
            match kind.is_of_new_instance() {
                true => "of its own, gone when it returns",
                false => "one that stays",
            }
            .into(),
            match kind.keeps_home() {
                true => "the caller's",
                false => "its own",
            }
            .into(),
        ]
    });
    compare("kinds of calls", &book, &code.collect());
}
