//! Packages: components as files, which link without being assembled again.
//!
//! A package is Miden's own (`.masp`) with a section that says what makes it a component. Everything in
//! that section that follows from the code or from the WIT is computed again when it is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use miden_assembly::{
    Library, Path as MasmPath,
    library::{LibraryExport, ProcedureExport},
};
use miden_core::{
    AdviceMap, Word,
    mast::{MastForest, MastNodeExt, MastNodeId},
    utils::Serializable,
};
use miden_crypto::hash::rpo::Rpo256;
use miden_cvm_air::{
    canonical::Hex,
    composition::{Intrinsic, LinkKind, SEGMENT_BLOCK},
    memory_io::{Area, DATA_LIMIT, MemoryLayout},
};
use miden_mast_package::{
    MastArtifact, Package, PackageExport, PackageKind, PackageManifest,
    ProcedureExport as ManifestProcedure, Section, SectionId,
};
use serde::{Deserialize, Serialize};

use crate::{
    abi::{FlatValues, Signature},
    assembly::toolchain::Toolchain,
    bindings::{
        resources::{IntrinsicImport, IntrinsicStub, ResourceImport, ResourceType, WorldTypes},
        stub_identities,
        stubs::{StubIdentity, stub_digests},
    },
    code::{artifact::read_package, calls::find_calls, merge::portable},
    error::{PackageError, wrong},
    limits::AssemblyLimits,
    source::{
        component::{Component, Export, Import, ImportKey},
        data::{Segment, check_memory},
        wasm::CompiledModule,
        world::ComponentWorld,
    },
    text::names::{check_identity, check_name},
    wit::{
        Function, FunctionName, Interface, InterfaceName, WitFile, WitSources, find::full_name,
        resolve_world,
    },
};

/// The name of the section.
pub(crate) const SECTION: &str = "miden_cvm_component";

/// The version of the section's form.
const FORMAT: u32 = 1;

/// The section that makes a package a component.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ComponentSection {
    form: u32,
    name: String,
    world: Option<WorldRecord>,
    exports: BTreeMap<String, ExportRecord>,
    imports: BTreeMap<String, ImportRecord>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    resources: BTreeMap<String, TypeRecord>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    resource_imports: BTreeMap<String, TypeImportRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    intrinsics: Vec<CalledIntrinsic>,
    own_calls: BTreeSet<Hex>,
    segments: Vec<PackagedSegment>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory_inputs: Option<Area>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory_outputs: Option<Area>,
    procedures: BTreeMap<Hex, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    aliases: BTreeMap<Hex, Vec<String>>,
    unused_imports: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    compiled: Option<CompiledModule>,
}

/// The WIT world: its texts, and what they come to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WorldRecord {
    name: String,
    files: Vec<WitFile>,
    imports: BTreeMap<String, InterfaceRecord>,
    exports: BTreeMap<String, InterfaceRecord>,
}

/// The functions of an interface, each as text with all names resolved, and its resource types.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InterfaceRecord {
    functions: Vec<String>,
    resources: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportRecord {
    kind: LinkKind,
    digest: Hex,
    interface: Option<(String, String)>,
    signature: Option<SignatureRecord>,
}

/// The parameters and results that cross the boundary.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignatureRecord {
    params: Vec<String>,
    params_by_message: bool,
    results: Vec<String>,
    results_by_message: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImportRecord {
    digest: Hex,
    stub: Option<StubRecord>,
    kind: Option<LinkKind>,
    is_called: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StubRecord {
    name: String,
    interface: String,
    version: String,
    function: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeRecord {
    destructor: Option<Hex>,
    interface: Option<(String, String)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TypeImportRecord {
    interface: String,
    version: String,
    resource: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CalledIntrinsic {
    digest: Hex,
    intrinsic: Intrinsic,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resource: Option<String>,
    is_imported: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PackagedSegment {
    address: u32,
    length: u32,
    commitment: Hex,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    public: bool,
}

impl Component {
    /// The component as a package, which is the same for the same sources wherever it is made.
    ///
    /// # Errors
    /// Returns an error if the component has nothing that a package can export.
    pub fn to_package(&self) -> Result<Vec<u8>, PackageError> {
        let mut forest = portable(&self.forest);
        let data: AdviceMap = self
            .segments
            .iter()
            .map(|segment| (segment.commitment, segment.elements.to_vec()))
            .collect();
        forest.advice_map_mut().extend(data);
        let mut exports = BTreeMap::new();
        let mut manifest = Vec::new();
        for export in self.exports.values() {
            let Some(name) = self.procedures.get(&export.digest) else {
                continue;
            };
            let path: Arc<MasmPath> = MasmPath::new(name).to_absolute().into_owned().into();
            let procedure = ProcedureExport::new(export.node, path.clone());
            exports.insert(path.clone(), LibraryExport::Procedure(procedure));
            manifest.push(PackageExport::Procedure(ManifestProcedure {
                path,
                digest: export.digest,
                signature: None,
                attributes: Default::default(),
            }));
        }
        let library = Library::new(Arc::new(forest), exports)
            .map_err(|error| wrong("what is exported", error))?;
        let section = serde_json::to_vec(&self.section())
            .map_err(|error| PackageError::Section(error.to_string()))?;
        let id = SectionId::custom(SECTION).map_err(|e| PackageError::Section(e.to_string()))?;
        let package = Package {
            name: self.name.clone(),
            version: None,
            description: None,
            kind: PackageKind::Library,
            mast: MastArtifact::Library(Arc::new(library)),
            manifest: PackageManifest::new(manifest),
            sections: vec![Section::new(id, section)],
        };
        Ok(package.to_bytes())
    }

    /// Returns the section that makes a package this component.
    pub(crate) fn section(&self) -> ComponentSection {
        let imports = self.imports.iter().map(|(name, import)| {
            let stub = match &import.key {
                ImportKey::Function(identity) => Some(StubRecord {
                    name: identity.name.clone(),
                    interface: identity.interface.clone(),
                    version: identity.version.clone(),
                    function: identity.function.clone(),
                }),
                ImportKey::Root => None,
            };
            let record = ImportRecord {
                digest: Hex(import.digest),
                stub,
                kind: import.kind,
                is_called: import.is_called,
            };
            (name.clone(), record)
        });
        let exports = self.exports.iter().map(|(name, export)| {
            let record = ExportRecord {
                kind: export.kind,
                digest: Hex(export.digest),
                interface: export.interface.clone(),
                signature: self
                    .signature(export)
                    .map(|signature| SignatureRecord::of(&signature)),
            };
            (name.clone(), record)
        });
        let segments = self.segments.iter().map(|segment| PackagedSegment {
            address: segment.address,
            length: segment.elements.len() as u32,
            commitment: Hex(segment.commitment),
            public: segment.is_public,
        });
        let procedures = self.procedures.iter();
        ComponentSection {
            form: FORMAT,
            name: self.name.clone(),
            world: self.world.as_ref().map(WorldRecord::of),
            exports: exports.collect(),
            imports: imports.collect(),
            resources: self
                .resources
                .iter()
                .map(|(name, of)| {
                    let record = TypeRecord {
                        destructor: of.destructor.map(Hex),
                        interface: of.interface.clone(),
                    };
                    (name.clone(), record)
                })
                .collect(),
            resource_imports: self
                .resource_imports
                .iter()
                .map(|(name, import)| {
                    let record = TypeImportRecord {
                        interface: import.interface.clone(),
                        version: import.version.clone(),
                        resource: import.resource.clone(),
                    };
                    (name.clone(), record)
                })
                .collect(),
            intrinsics: self
                .intrinsics
                .iter()
                .map(|call| CalledIntrinsic {
                    digest: Hex(call.digest),
                    intrinsic: call.intrinsic,
                    resource: call.resource.clone(),
                    is_imported: call.is_imported,
                })
                .collect(),
            own_calls: self.own_calls.iter().map(|digest| Hex(*digest)).collect(),
            segments: segments.collect(),
            memory_inputs: self.memory.inputs,
            memory_outputs: self.memory.outputs,
            procedures: procedures
                .map(|(digest, name)| (Hex(*digest), name.clone()))
                .collect(),
            aliases: self
                .aliases
                .iter()
                .map(|(digest, names)| (Hex(*digest), names.clone()))
                .collect(),
            unused_imports: self.unused_imports.clone(),
            compiled: self.compiled.clone(),
        }
    }

    /// Returns the signature by which an export of a world is called.
    fn signature(&self, export: &Export) -> Option<Signature> {
        let (interface, function) = export.function.as_ref()?;
        let world = &self.world.as_ref()?.world;
        Some(Signature::of(world.export(interface)?.function(function)?))
    }

    /// Reads the component in a package; `path` is where it is, for errors about its WIT.
    ///
    /// # Errors
    /// Returns an error if the bytes are no package of a component, or say something about the code,
    /// the data or the WIT in it that is not so.
    pub fn from_package(
        bytes: &[u8],
        path: &Path,
        toolchain: &Toolchain,
    ) -> Result<Self, PackageError> {
        let package = read_package(bytes)?;
        let section = package
            .sections
            .iter()
            .find(|section| section.id.as_str() == SECTION)
            .ok_or(PackageError::NotAComponent(SECTION))?;
        let section: serde_json::Value = serde_json::from_slice(&section.data)
            .map_err(|error| PackageError::Section(error.to_string()))?;
        // Another form may have other fields.
        let form = section["form"].as_u64().unwrap_or(0);
        if form != u64::from(FORMAT) {
            return Err(PackageError::Form {
                found: form,
                known: FORMAT,
            });
        }
        let section: ComponentSection = serde_json::from_value(section)
            .map_err(|error| PackageError::Section(error.to_string()))?;
        let forest = Arc::new(package.mast.mast_forest().clone());
        section.component(forest, path, toolchain)
    }
}

impl WorldRecord {
    fn of(world: &ComponentWorld) -> Self {
        let interfaces = |interfaces: &[Interface]| {
            interfaces
                .iter()
                .map(|interface| {
                    let record = InterfaceRecord {
                        functions: interface
                            .functions
                            .iter()
                            .map(ToString::to_string)
                            .collect(),
                        resources: interface.resources.clone(),
                    };
                    (interface.name.to_string(), record)
                })
                .collect()
        };
        Self {
            name: world.world.name.clone(),
            files: world.files.clone(),
            imports: interfaces(&world.world.imports),
            exports: interfaces(&world.world.exports),
        }
    }
}

impl SignatureRecord {
    fn of(signature: &Signature) -> Self {
        let kinds =
            |passing: &FlatValues| passing.kinds().iter().map(ToString::to_string).collect();
        Self {
            params: kinds(&signature.params),
            params_by_message: signature.params.by_message,
            results: kinds(&signature.results),
            results_by_message: signature.results.by_message,
        }
    }
}

impl ComponentSection {
    /// The component whose code is in a forest of its own.
    fn component(
        self,
        forest: Arc<MastForest>,
        path: &Path,
        toolchain: &Toolchain,
    ) -> Result<Component, PackageError> {
        let component = self.part(forest, path, toolchain)?;
        let forest = &component.forest;
        let own = component
            .own_calls
            .iter()
            .map(|digest| root(forest, *digest))
            .collect::<Result<BTreeSet<_>, _>>()?;

        // What the code calls is found again; what it reaches by `dyncall` cannot be.
        let by_digest: BTreeMap<Word, &str> = component
            .imports
            .iter()
            .map(|(name, import)| (import.digest, name.as_str()))
            .collect();
        let intrinsics: BTreeMap<Word, &str> = component
            .intrinsics
            .iter()
            .map(|call| (call.digest, call.resource.as_deref().unwrap_or_default()))
            .collect();
        let exports = component.exports.values().map(|export| export.node);
        let destructors = component
            .resources
            .values()
            .filter_map(|of| of.destructor)
            .map(|digest| root(forest, digest))
            .collect::<Result<Vec<_>, _>>()?;
        let roots = exports.chain(own.iter().copied()).chain(destructors);
        let calls = find_calls(forest, roots, |digest| {
            let by_digest = by_digest.get(&digest).or_else(|| intrinsics.get(&digest));
            by_digest.map(ToString::to_string)
        })
        .map_err(|problem| wrong("what the code calls", problem))?;
        if !calls.own.iter().all(|id| own.contains(id)) {
            return Err(wrong(
                "`own_calls`",
                "the code calls more of its procedures",
            ));
        }
        for digest in calls
            .imports
            .iter()
            .filter(|digest| !intrinsics.contains_key(digest))
        {
            let name = by_digest.get(digest).copied().unwrap_or_default();
            let import = component.imports.get(name);
            if !import.is_some_and(|import| import.is_called) {
                return Err(wrong(format!("import `{name}`"), "the code calls it"));
            }
        }
        Ok(component)
    }

    /// The component whose code is somewhere in a forest. What it calls is not checked: in the forest
    /// of a composition, other components' code can stand where a call leads.
    pub(crate) fn part(
        self,
        forest: Arc<MastForest>,
        path: &Path,
        toolchain: &Toolchain,
    ) -> Result<Component, PackageError> {
        check_name("a component", &self.name).map_err(|error| wrong("its name", error))?;
        let world = self.read_world(path, toolchain.limits())?;
        let exports = self.read_exports(&forest, world.as_ref())?;
        let imports = self.read_imports(world.as_ref(), toolchain)?;
        let segments = self.read_segments(&forest)?;
        let memory = MemoryLayout {
            inputs: self.memory_inputs,
            outputs: self.memory_outputs,
        };
        check_memory(&memory, &segments)
            .map_err(|error| wrong("its inputs and outputs in memory", error))?;
        let types = world.as_ref().map(|world| WorldTypes::of(&world.world));
        let types = types.unwrap_or_default();
        let resources = self.read_resources(world.is_some(), &types)?;
        let resource_imports = self.read_resource_imports(&types)?;
        let stubs = types.stubs(&resources, &resource_imports);
        let intrinsics = self.read_intrinsics(&stubs, toolchain)?;
        let own_calls = self.own_calls.iter().map(|digest| digest.0).collect();
        let procedures = self.procedures.into_iter();
        Ok(Component {
            name: self.name,
            folder: path.into(),
            forest,
            world,
            exports,
            imports,
            resources,
            resource_imports,
            intrinsics,
            own_calls,
            segments,
            memory,
            procedures: procedures.map(|(digest, name)| (digest.0, name)).collect(),
            aliases: self
                .aliases
                .into_iter()
                .map(|(digest, names)| (digest.0, names))
                .collect(),
            unused_imports: self.unused_imports,
            compiled: self.compiled,
            files: vec![path.into()],
            warnings: Vec::new(),
        })
    }

    /// The world, read from its texts again.
    fn read_world(
        &self,
        path: &Path,
        limits: AssemblyLimits,
    ) -> Result<Option<ComponentWorld>, PackageError> {
        let Some(record) = &self.world else {
            return Ok(None);
        };
        let sources = WitSources {
            base: path.into(),
            files: record.files.clone(),
            elsewhere: BTreeMap::new(),
        };
        let world = resolve_world(&sources, Some(&record.name), limits)
            .map_err(|error| wrong("its WIT", error))?;
        let world = ComponentWorld {
            world,
            files: record.files.clone(),
        };
        if WorldRecord::of(&world) != *record {
            return Err(wrong("its world", "it does not match the embedded WIT"));
        }
        Ok(Some(world))
    }

    fn read_exports(
        &self,
        forest: &MastForest,
        world: Option<&ComponentWorld>,
    ) -> Result<BTreeMap<String, Export>, PackageError> {
        let functions = world.map(|world| functions_of(&world.world.exports));
        let mut exports = BTreeMap::new();
        for (name, record) in &self.exports {
            let at = || format!("export `{name}`");
            let function = functions.as_ref().map(|functions| {
                functions
                    .get(name)
                    .ok_or_else(|| wrong(at(), "its world has no such function"))
            });
            let function = function.transpose()?;
            let signature =
                function.map(|(_, function)| SignatureRecord::of(&Signature::of(function)));
            if signature != record.signature {
                return Err(wrong(at(), "its signature is another"));
            }
            if let Some((interface, function)) = function
                && (record.kind, &record.interface) != (function.kind, &Some(interface.identity()))
            {
                return Err(wrong(
                    at(),
                    "its world has another kind or interface for it",
                ));
            }
            if record.kind == LinkKind::Held {
                return Err(wrong(at(), "it is `held`, which only imports are"));
            }
            let export = Export {
                kind: record.kind,
                digest: record.digest.0,
                node: root(forest, record.digest.0)?,
                interface: record.interface.clone(),
                function: function
                    .map(|(interface, function)| ((*interface).clone(), function.name.clone())),
            };
            exports.insert(name.clone(), export);
        }
        let missing = functions
            .iter()
            .flatten()
            .find(|(name, _)| !exports.contains_key(*name));
        match missing {
            Some((name, _)) => Err(wrong(format!("export `{name}`"), "it is missing")),
            None => Ok(exports),
        }
    }

    fn read_imports(
        &self,
        world: Option<&ComponentWorld>,
        toolchain: &Toolchain,
    ) -> Result<BTreeMap<String, Import>, PackageError> {
        let stubs = world
            .map(|world| stub_identities(&world.world))
            .unwrap_or_default();
        let functions: BTreeMap<String, &FunctionName> = stubs
            .keys()
            .map(|function| (full_name(function), function))
            .collect();
        let mut imports = BTreeMap::new();
        for (name, record) in &self.imports {
            let at = || format!("import `{name}`");
            let function = functions.get(name).copied();
            let key = match &record.stub {
                Some(stub) => ImportKey::Function(StubIdentity {
                    name: stub.name.clone(),
                    interface: stub.interface.clone(),
                    version: stub.version.clone(),
                    function: stub.function.clone(),
                }),
                None => ImportKey::Root,
            };
            if let (Some(function), ImportKey::Function(identity)) = (function, &key)
                && stubs.get(function) != Some(identity)
            {
                return Err(wrong(at(), "its world has another identity for it"));
            }
            if let ImportKey::Function(identity) = &key {
                identity.check().map_err(|error| wrong(at(), error))?;
            }
            let import = Import {
                digest: record.digest.0,
                key,
                kind: record.kind,
                function: function.cloned(),
                is_called: record.is_called,
            };
            imports.insert(name.clone(), import);
        }
        if let Some(name) = functions.keys().find(|name| !imports.contains_key(*name)) {
            return Err(wrong(format!("import `{name}`"), "it is missing"));
        }
        let identities: Vec<StubIdentity> = imports
            .values()
            .filter_map(|import| match &import.key {
                ImportKey::Function(identity) => Some(identity.clone()),
                ImportKey::Root => None,
            })
            .collect();
        let digests = stub_digests(&identities, toolchain.source_manager())
            .map_err(|error| wrong("its imports", error))?;
        for (name, import) in &imports {
            if let ImportKey::Function(identity) = &import.key
                && digests.get(&identity.name) != Some(&import.digest)
            {
                return Err(wrong(
                    format!("import `{name}`"),
                    "its stub has another digest",
                ));
            }
        }
        Ok(imports)
    }

    /// The types that the component defines: with a world, exactly those that the world exports.
    fn read_resources(
        &self,
        has_world: bool,
        types: &WorldTypes,
    ) -> Result<BTreeMap<String, ResourceType>, PackageError> {
        let mut resources = types.own();
        for (name, record) in &self.resources {
            let known = ResourceType {
                destructor: record.destructor.map(|digest| digest.0),
                interface: record.interface.clone(),
                of: resources.get(name).and_then(|ty| ty.of.clone()),
            };
            let is_right = match resources.get(name) {
                Some(ty) => ty.interface == known.interface,
                None => !has_world && check_name("a resource type", name).is_ok(),
            };
            if !is_right {
                return Err(wrong(
                    format!("resource type `{name}`"),
                    "its world has no such type",
                ));
            }
            if let Some((interface, version)) = &known.interface {
                check_type(name, [("interface", interface), ("version", version)])?;
            }
            resources.insert(name.clone(), known);
        }
        match resources
            .keys()
            .find(|name| !self.resources.contains_key(*name))
        {
            Some(name) => Err(wrong(format!("resource type `{name}`"), "it is missing")),
            None => Ok(resources),
        }
    }

    /// The types of other components: with a world, those that it imports are among them.
    fn read_resource_imports(
        &self,
        types: &WorldTypes,
    ) -> Result<BTreeMap<String, ResourceImport>, PackageError> {
        let mut imports = types.imports();
        for (name, record) in &self.resource_imports {
            let of = imports.get(name).and_then(|import| import.of.clone());
            let import = ResourceImport {
                interface: record.interface.clone(),
                version: record.version.clone(),
                resource: record.resource.clone(),
                of,
            };
            check_type(
                name,
                [
                    ("interface", &import.interface),
                    ("version", &import.version),
                    ("resource", &import.resource),
                ],
            )?;
            match imports.get(name) {
                Some(known) if *known != import => {
                    return Err(wrong(
                        format!("resource type `{name}`"),
                        "its world has another type for it",
                    ));
                }
                Some(_) => {}
                None => {
                    check_name("a resource type", name)
                        .map_err(|error| wrong(format!("resource type `{name}`"), error))?;
                    imports.insert(name.clone(), import);
                }
            }
        }
        match imports
            .keys()
            .find(|name| !self.resource_imports.contains_key(*name))
        {
            Some(name) => Err(wrong(format!("resource type `{name}`"), "it is missing")),
            None => Ok(imports),
        }
    }

    /// The intrinsics that the code calls. Their digests are those of the stubs.
    fn read_intrinsics(
        &self,
        stubs: &[IntrinsicStub],
        toolchain: &Toolchain,
    ) -> Result<Vec<IntrinsicImport>, PackageError> {
        let mut found = Vec::with_capacity(self.intrinsics.len());
        let mut identities = Vec::with_capacity(self.intrinsics.len());
        for call in &self.intrinsics {
            let stub = stubs.iter().find(|stub| {
                (stub.intrinsic, &stub.resource, stub.is_imported)
                    == (call.intrinsic, &call.resource, call.is_imported)
            });
            let stub = stub.ok_or_else(|| {
                let name = call.resource.as_deref().unwrap_or_default();
                let reason = format!("there is no resource type `{name}` for it");
                wrong("an intrinsic", reason)
            })?;
            identities.push(stub.identity.clone());
            found.push(IntrinsicImport {
                digest: call.digest.0,
                intrinsic: call.intrinsic,
                resource: call.resource.clone(),
                is_imported: call.is_imported,
            });
        }
        let digests = stub_digests(&identities, toolchain.source_manager())
            .map_err(|error| wrong("its intrinsics", error))?;
        for (call, identity) in found.iter().zip(&identities) {
            if digests.get(&identity.name) != Some(&call.digest) {
                return Err(wrong(
                    format!("an intrinsic, `{}`", identity.name),
                    "its stub has another digest",
                ));
            }
        }
        Ok(found)
    }

    fn read_segments(&self, forest: &MastForest) -> Result<Vec<Segment>, PackageError> {
        let mut segments: Vec<Segment> = Vec::with_capacity(self.segments.len());
        let mut end = 0;
        for record in &self.segments {
            let at = || format!("the data at address {}", record.address);
            let data = forest.advice_map().get(&record.commitment.0);
            let data = data.ok_or_else(|| wrong(at(), "it is missing"))?;
            if data.len() != record.length as usize
                || Rpo256::hash_elements(data) != record.commitment.0
            {
                return Err(wrong(at(), "it has another length or commitment"));
            }
            let address = u64::from(record.address);
            let length = u64::from(record.length);
            let shape = address.is_multiple_of(4)
                && length > 0
                && length.is_multiple_of(u64::from(SEGMENT_BLOCK))
                && address + length <= DATA_LIMIT;
            if !shape || address < end {
                return Err(wrong(at(), "it is out of range, out of order or overlaps"));
            }
            end = address + length;
            segments.push(Segment {
                address: record.address,
                elements: data.clone(),
                commitment: record.commitment.0,
                is_public: record.public,
            });
        }
        Ok(segments)
    }
}

/// Checks texts that are part of the identity of a resource type's stubs.
fn check_type<const N: usize>(
    name: &str,
    texts: [(&'static str, &String); N],
) -> Result<(), PackageError> {
    let texts = texts
        .into_iter()
        .filter(|(what, text)| !(text.is_empty() && *what == "version"));
    for (what, text) in texts {
        check_identity(what, text)
            .map_err(|error| wrong(format!("resource type `{name}`"), error))?;
    }
    Ok(())
}

fn root(forest: &MastForest, digest: Word) -> Result<MastNodeId, PackageError> {
    let mut roots = forest.procedure_roots().iter().copied();
    roots
        .find(|id| forest[*id].digest() == digest && !forest[*id].is_external())
        .ok_or_else(|| wrong("its code", format!("no procedure has digest {digest}")))
}

/// The functions of interfaces by their full names.
fn functions_of(interfaces: &[Interface]) -> BTreeMap<String, (&InterfaceName, &Function)> {
    let functions = interfaces.iter().flat_map(|interface| {
        let name = &interface.name;
        let functions = interface.functions.iter();
        functions.map(move |function| {
            (
                full_name(&(name.clone(), function.name.clone())),
                (name, function),
            )
        })
    });
    functions.collect()
}
