//! Compositions of a few components, to be run or traced.

use std::sync::Arc;

use miden_assembly::{
    Assembler, DefaultSourceManager, Library,
    ast::{Module, ModuleKind},
};
use miden_core::{AdviceMap, Felt, Program, Word, ZERO, crypto::hash::Rpo256};
use miden_cvm_air::{
    component::{Call, Component, INSTALLED, Meaning},
    composition::{
        Composition, ExportRecord, FIRST_INSTANCE_TYPE, Intrinsic, IntrinsicRecord, KERNEL_SOURCE,
        LinkKind, LinkRecord, PublicData, ResourceRecord, Right, SegmentRecord,
    },
    memory_io::{Area, MemoryLayout},
};
use miden_cvm_processor::{
    AdviceInputs, Arguments, DefaultHost, ExecutionInputs, ExecutionOptions, ExecutionTrace,
    execute_traced,
};

/// Imports of the components below. The bodies are never executed; their digests are names.
const STUBS: &str = "
    pub proc a1 push.1001 drop end
    pub proc a2 push.1002 drop end
    pub proc b1 push.1003 drop end
    pub proc b2 push.1004 drop end
    pub proc c1 push.1005 drop end
    pub proc c2 push.1006 drop end
    pub proc d1 push.1007 drop end";

/// The number of resource types that have stubs.
const STUBBED_TYPES: u64 = 4;

/// The names of intrinsics in stubs, such as `new0` for the first type's.
const INTRINSICS: [(&str, Intrinsic); 20] = [
    ("new", Intrinsic::New),
    ("rep", Intrinsic::Rep),
    ("drop", Intrinsic::Drop),
    ("send_own", Intrinsic::SendOwn),
    ("send_borrow", Intrinsic::SendBorrow),
    ("recv_own", Intrinsic::RecvOwn),
    ("recv_borrow", Intrinsic::RecvBorrow),
    ("load", Intrinsic::Load),
    ("store", Intrinsic::Store),
    ("caller", Intrinsic::Caller),
    ("instantiate", Intrinsic::Instantiate),
    ("install", Intrinsic::Install),
    ("wire", Intrinsic::Wire),
    ("component", Intrinsic::Component),
    ("adopt", Intrinsic::Adopt),
    ("save", Intrinsic::Save),
    ("save_pair", Intrinsic::SavePair),
    ("restore", Intrinsic::Restore),
    ("install_code", Intrinsic::InstallCode),
    ("install_procedure", Intrinsic::InstallProcedure),
];

/// All stubs: imports, those in `more`, and the intrinsics of every type.
fn stubs(more: &str) -> Library {
    let mut source = format!("{STUBS}\n{more}");
    for ((name, intrinsic), number) in INTRINSICS.into_iter().zip(2000u64..) {
        let types = match intrinsic.has_resource() {
            true => STUBBED_TYPES,
            false => 1,
        };
        for resource in 0..types {
            let name = stub_name(name, intrinsic, resource as u32);
            let number = number + 100 * resource;
            source += &format!("\npub proc {name} push.{number} drop end");
        }
    }
    library("test::stubs", &source, None)
}

fn stub_name(name: &str, intrinsic: Intrinsic, resource: u32) -> String {
    match intrinsic.has_resource() {
        true => format!("{name}{resource}"),
        false => name.into(),
    }
}

/// A library of one module.
pub fn library(path: &str, source: &str, imports: Option<&Library>) -> Library {
    let sources = Arc::new(DefaultSourceManager::default());
    let module = Module::parser(ModuleKind::Library)
        .parse_str(path, source, sources.clone())
        .unwrap_or_else(|report| panic!("{path} does not parse: {report:?}"));
    let mut assembler = Assembler::new(sources);
    if let Some(imports) = imports {
        assembler = assembler
            .with_dynamic_library(imports)
            .expect("stubs can be linked");
    }
    assembler
        .assemble_library([module])
        .unwrap_or_else(|report| panic!("{path} does not assemble: {report:?}"))
}

/// The digest of a procedure.
pub fn root_of(library: &Library, path: &str) -> Word {
    library
        .get_procedure_root_by_path(path)
        .unwrap_or_else(|| panic!("there is no procedure {path}"))
}

/// A composition under construction. Instance 0 is the root.
pub struct Builder {
    pub stubs: Library,
    pub kernel: Option<&'static str>,
    pub libraries: Vec<Library>,
    pub links: Vec<LinkRecord>,
    pub segments: Vec<SegmentRecord>,
    public: Vec<PublicData>,
    layout: MemoryLayout,
    /// The arguments of a run.
    pub arguments: Arguments,
    exports: Vec<ExportRecord>,
    pub data: AdviceMap,
    instances: u32,
    pub options: ExecutionOptions,
    resources: Vec<ResourceRecord>,
    intrinsics: Vec<IntrinsicRecord>,
    /// The advice stack, top first.
    pub advice_stack: Vec<Felt>,
}

impl Builder {
    pub fn new(instances: u32) -> Self {
        Self::with_stubs(instances, "")
    }

    /// A composition with more imports than those that there always are.
    pub fn with_stubs(instances: u32, more: &str) -> Self {
        Self {
            stubs: stubs(more),
            kernel: None,
            libraries: Vec::new(),
            links: Vec::new(),
            segments: Vec::new(),
            public: Vec::new(),
            layout: MemoryLayout::default(),
            arguments: Arguments::default(),
            exports: Vec::new(),
            data: AdviceMap::default(),
            instances,
            options: ExecutionOptions::default(),
            resources: Vec::new(),
            intrinsics: Vec::new(),
            advice_stack: Vec::new(),
        }
    }

    pub fn component(mut self, path: &str, source: &str) -> Self {
        let source = format!("use test::stubs\n{source}");
        self.libraries
            .push(library(path, &source, Some(&self.stubs)));
        self
    }

    pub fn stub(&self, name: &str) -> Word {
        root_of(&self.stubs, &format!("test::stubs::{name}"))
    }

    pub fn procedure(&self, path: &str) -> Word {
        self.libraries
            .iter()
            .find_map(|library| library.get_procedure_root_by_path(path))
            .unwrap_or_else(|| panic!("there is no procedure {path}"))
    }

    /// Wires the import `stub` of instance `source` to a procedure of instance `target`.
    pub fn link(
        mut self,
        source: u32,
        stub: &str,
        kind: LinkKind,
        target: u32,
        callee: &str,
    ) -> Self {
        let (digest, callee) = (self.stub(stub), self.procedure(callee));
        self.links.push(LinkRecord {
            source,
            digest,
            kind,
            target,
            callee,
        });
        self
    }

    /// Adds a resource type, after those of lower definers. Everybody gets every intrinsic that it
    /// may have, under the stubs of the type's number, such as `drop0`.
    pub fn resource(mut self, definer: u32, destructor: Option<&str>) -> Self {
        let resource = self.resources.len() as u32;
        let destructor = destructor.map(|path| self.procedure(path));
        self.resources.push(ResourceRecord {
            definer,
            destructor,
        });
        for source in 0..self.instances {
            for (name, intrinsic) in INTRINSICS {
                let is_fit = intrinsic.has_resource() && intrinsic != Intrinsic::Instantiate;
                if is_fit && (source == definer || intrinsic.right() != Right::Definer) {
                    let digest = self.stub(&stub_name(name, intrinsic, resource));
                    self.intrinsics.push(IntrinsicRecord {
                        source,
                        digest,
                        intrinsic,
                        resource,
                    });
                }
            }
        }
        self
    }

    /// Gives everybody the intrinsics for instances of `of` that the program makes, under the stubs of
    /// the type `stubs`, such as `instantiate3`.
    pub fn instances_of(mut self, of: u32, stubs: u32) -> Self {
        for source in 0..self.instances {
            for (name, intrinsic) in INTRINSICS {
                if intrinsic.has_resource() && intrinsic.right() != Right::Definer {
                    let digest = self.stub(&stub_name(name, intrinsic, stubs));
                    self.intrinsics.push(IntrinsicRecord {
                        source,
                        digest,
                        intrinsic,
                        resource: FIRST_INSTANCE_TYPE + of,
                    });
                }
            }
        }
        self
    }

    /// Says by which keys imports lead to procedures of an instance.
    pub fn exports(mut self, instance: u32, exports: &[(&str, u64)]) -> Self {
        for (path, key) in exports {
            self.exports.push(ExportRecord {
                instance,
                key: Felt::new(*key),
                callee: self.procedure(path),
            });
        }
        self
    }

    /// Gives every instance the intrinsic that tells who called in.
    pub fn told_callers(self) -> Self {
        self.with_intrinsics(&[Intrinsic::Caller])
    }

    /// Gives every instance the intrinsics that put the stack out of reach and put it back.
    pub fn saves_stacks(self) -> Self {
        self.with_intrinsics(&[Intrinsic::Save, Intrinsic::SavePair, Intrinsic::Restore])
    }

    /// Gives every instance intrinsics without a type.
    fn with_intrinsics(mut self, intrinsics: &[Intrinsic]) -> Self {
        for source in 0..self.instances {
            for &intrinsic in intrinsics {
                self.intrinsics.push(IntrinsicRecord {
                    source,
                    digest: self.stub(&intrinsic.identifier()),
                    intrinsic,
                    resource: 0,
                });
            }
        }
        self
    }

    /// Gives the root all that it takes to install instances, with handles under the stubs of type 3; it
    /// calls them by `calls`, stubs with the keys of exports.
    pub fn installs(self, calls: &[(&str, u64)]) -> Self {
        self.installs_in(0, calls)
    }

    /// The same for an instance.
    pub fn installs_in(mut self, source: u32, calls: &[(&str, u64)]) -> Self {
        for (name, intrinsic) in INTRINSICS {
            let of_handles = intrinsic.right() == Right::Holder;
            if of_handles || matches!(intrinsic.right(), Right::Instance | Right::Installer) {
                self.intrinsics.push(IntrinsicRecord {
                    source,
                    digest: self.stub(&stub_name(name, intrinsic, 3)),
                    intrinsic,
                    resource: match of_handles {
                        true => FIRST_INSTANCE_TYPE + INSTALLED,
                        false => 0,
                    },
                });
            }
        }
        for (stub, key) in calls {
            self.links.push(LinkRecord {
                source,
                digest: self.stub(stub),
                kind: LinkKind::Held,
                target: INSTALLED,
                callee: Word::from([Felt::new(*key), ZERO, ZERO, ZERO]),
            });
        }
        self
    }

    /// Gives a component that can be installed the procedures for handles, under the stubs of type 3, and
    /// those that tell callers and components.
    pub fn with_handles(&self, component: Component) -> Component {
        let Component {
            types,
            mut calls,
            exports,
            segments,
        } = component;
        for (name, intrinsic) in INTRINSICS {
            if matches!(intrinsic.right(), Right::Holder | Right::Instance) {
                calls.push(Call {
                    digest: self.stub(&stub_name(name, intrinsic, 3)),
                    meaning: Meaning::Builtin(intrinsic),
                });
            }
        }
        Component::new(calls, exports, segments).with_types(types)
    }

    /// Puts a component's record into the advice.
    pub fn installable(mut self, component: &Component) -> Self {
        let elements = component.to_elements();
        self.data.insert(component.commitment(), elements);
        self
    }

    /// Puts static data into the advice.
    pub fn advised(mut self, values: &[Felt]) -> Self {
        self.data
            .insert(Rpo256::hash_elements(values), values.to_vec());
        self
    }

    /// Gives the kernel its intrinsics.
    pub fn kernel_intrinsics(mut self) -> Self {
        for (name, intrinsic) in INTRINSICS {
            if intrinsic.right() == Right::Kernel {
                self.intrinsics.push(IntrinsicRecord {
                    source: KERNEL_SOURCE,
                    digest: self.stub(name),
                    intrinsic,
                    resource: 0,
                });
            }
        }
        self
    }

    pub fn data(mut self, instance: u32, address: u32, values: &[Felt]) -> Self {
        let commitment = Rpo256::hash_elements(values);
        let length = values.len() as u32;
        self.segments.push(SegmentRecord {
            instance,
            address,
            length,
            commitment,
        });
        self.data.insert(commitment, values.to_vec());
        self
    }

    pub fn public(mut self, instance: u32, address: u32, values: &[Felt]) -> Self {
        self.public.push(PublicData {
            instance,
            address,
            elements: values.to_vec(),
        });
        self
    }

    /// Gives the root a place for inputs in memory, and these values there.
    pub fn inputs(mut self, address: u32, length: u32, values: &[u64]) -> Self {
        self.layout.inputs = Some(Area { address, length });
        self.arguments.memory = values.iter().copied().map(Felt::new).collect();
        self
    }

    /// Gives the root a place for outputs in memory.
    pub fn outputs(mut self, address: u32, length: u32) -> Self {
        self.layout.outputs = Some(Area { address, length });
        self
    }

    pub fn composition(&self) -> Composition {
        Composition::new(self.instances, self.links.clone(), self.segments.clone())
            .and_then(|composition| {
                composition.with_resources(self.resources.clone(), self.intrinsics.clone())
            })
            .and_then(|composition| composition.with_public_data(self.public.clone()))
            .and_then(|composition| composition.with_layout(self.layout))
            .and_then(|composition| composition.with_exports(self.exports.clone()))
            .expect("the composition is valid")
    }

    /// Returns the advice that a run starts with.
    pub fn advice_inputs(&self) -> AdviceInputs {
        AdviceInputs {
            map: self.data.clone(),
            stack: self.advice_stack.clone(),
            ..AdviceInputs::default()
        }
    }

    /// The root's program, and a host with the components.
    pub fn program(&self, main: &str) -> (Program, DefaultHost) {
        let sources = Arc::new(DefaultSourceManager::default());
        let mut host = DefaultHost::default();
        let assembler = match self.kernel {
            None => Assembler::new(sources),
            Some(source) => {
                let source = format!("use test::stubs\n{source}");
                let kernel = Assembler::new(sources.clone())
                    .with_dynamic_library(&self.stubs)
                    .and_then(|assembler| assembler.assemble_kernel(source))
                    .unwrap_or_else(|report| panic!("no kernel: {report:?}"));
                host.load_forest(kernel.mast_forest().clone());
                Assembler::with_kernel(sources, kernel)
            }
        };
        let program = assembler
            .with_dynamic_library(&self.stubs)
            .and_then(|assembler| assembler.assemble_program(format!("use test::stubs\n{main}")))
            .unwrap_or_else(|report| panic!("main does not assemble: {report:?}"));
        for library in &self.libraries {
            host.load_forest(library.mast_forest().clone());
        }
        (program, host)
    }

    /// The trace of a run that ends well.
    pub fn trace(&self, main: &str) -> ExecutionTrace {
        let (program, mut host) = self.program(main);
        execute_traced(
            ExecutionInputs {
                program: &program,
                composition: Some(&self.composition()),
                arguments: self.arguments.clone(),
                advice: self.advice_inputs(),
                options: self.options,
            },
            &mut host,
        )
        .unwrap_or_else(|error| panic!("{error}"))
    }
}

/// The root calls instance 1, which takes whatever it finds on the stack, or saves that itself.
pub fn nosy() -> Builder {
    Builder::new(2)
        .component(
            "nosy",
            "pub proc wipes
                repeat.20 drop end push.41 swap drop
            end
            pub proc adds
                add push.100 call.stubs::save drop push.5 swap drop call.stubs::restore add
            end
            pub proc keeps call.stubs::save end
            pub proc takes call.stubs::restore end",
        )
        .link(0, "a1", LinkKind::Shared, 1, "nosy::wipes")
        .link(0, "a2", LinkKind::Shared, 1, "nosy::adds")
        .link(0, "b1", LinkKind::Shared, 1, "nosy::keeps")
        .link(0, "b2", LinkKind::Shared, 1, "nosy::takes")
        .saves_stacks()
}
