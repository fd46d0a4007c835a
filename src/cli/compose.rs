//! `compose`.

use core::fmt;
use std::path::PathBuf;

use clap::Args;
use miden_cvm::{LinkedComposition, Records, target_file};
use serde::Serialize;

use super::{
    advisories::AdvisoriesAnswer,
    files::{self, Outputs},
    kind::{Kind, is_not},
    libraries::{Libraries, refused},
    limits::BuildLimits,
    outcome::{Failure, Outcome},
    progress::Progress,
};

/// Links components into one file.
#[derive(Debug, Args)]
pub struct ComposeCommand {
    /// The composition: a `.toml` or `.wac` file, or the folder of one
    composition: PathBuf,
    #[command(flatten)]
    libraries: Libraries,
    #[command(flatten)]
    limits: BuildLimits,
    /// The file to write the package to; by default beside the composition file, with the ending `.masp`
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The file to write the records to, which are all that a verifier needs; by default beside the
    /// composition, with the ending `.records.json`
    #[arg(short, long, value_name = "FILE")]
    records: Option<PathBuf>,
}

impl ComposeCommand {
    /// Links it.
    ///
    /// # Errors
    /// Returns an error if there is a mistake in the files, or if something cannot be written.
    pub fn run(&self) -> Result<Outcome, Failure> {
        let progress = Progress::start("linking");
        files::not_standard(&self.composition, "a composition names files beside it")?;
        if !matches!(
            Kind::of(&self.composition),
            Kind::Composition | Kind::Missing
        ) {
            return Err(is_not(
                &self.composition,
                "the file or folder of a composition",
            ));
        }
        let file = target_file(&self.composition).map_err(refused)?;
        let loader = self.libraries.loader(self.limits.assembly())?;
        let linked = LinkedComposition::load(&file, loader.toolchain()).map_err(Failure::failed)?;
        for warning in loader.warnings() {
            progress.warn(warning);
        }
        for warning in &linked.warnings {
            progress.warn(warning);
        }
        let found = linked.findings();
        self.libraries.judge(&found, &progress)?;
        let advisories = AdvisoriesAnswer::new(&found);
        let output = match &self.output {
            Some(path) => path.clone(),
            None => file.with_extension("masp"),
        };
        let records = match &self.records {
            Some(path) => path.clone(),
            None if files::is_standard(&output) => file.with_extension("records.json"),
            None => output.with_extension("records.json"),
        };
        let mut read = linked.files.clone();
        read.extend(self.libraries.paths().cloned());
        let outputs = Outputs::check(
            [
                ("the composition", output.clone()),
                ("its records", records.clone()),
            ],
            &read,
        )?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let bytes = linked.to_package(&name).map_err(Failure::failed)?;
        let content = Records::from(linked.composition.clone()).with_advisories(advisories.ids());
        let mut json = serde_json::to_vec_pretty(&content).map_err(Failure::failed)?;
        json.push(b'\n');
        drop(progress);
        let outcome = Outcome::new(&ComposeAnswer {
            program_hash: linked.program.hash().to_hex(),
            composition: linked.composition.commitment().to_hex(),
            instances: linked.instances.len(),
            links: linked.composition.links().len(),
            file: output.display().to_string(),
            bytes: bytes.len(),
            records: records.display().to_string(),
            advisories,
        })?;
        outputs.answer(outcome, [&bytes[..], &json])
    }
}

/// The answer of `compose`.
#[derive(Debug, Serialize)]
struct ComposeAnswer {
    program_hash: String,
    composition: String,
    instances: usize,
    links: usize,
    file: String,
    bytes: usize,
    records: String,
    advisories: AdvisoriesAnswer,
}

impl fmt::Display for ComposeAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program      {}", self.program_hash)?;
        writeln!(f, "composition  {}", self.composition)?;
        writeln!(f, "instances    {}, {} links", self.instances, self.links)?;
        writeln!(f, "file         {}, {} bytes", self.file, self.bytes)?;
        writeln!(f, "records      {}", self.records)?;
        self.advisories.write(f)
    }
}
