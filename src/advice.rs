//! The lying host: whether a target checks what it takes from the advice.

use miden_cvm_audit::advice::Subject;
pub use miden_cvm_audit::advice::{
    Answer, Finding, LieCampaign, LieError, LieKind, LieReport, LieTally, Lied, Outputs,
    PlaceReport, SourcePlace, TakingPlace, Trust, Verdict,
};

use miden_cvm_verifier::{default_registry, with_claims};

use crate::{AdviceInputs, Arguments, ExecutionOptions, Host, Target};

/// Runs a target honestly, and then again and again while somebody lies about what the advice
/// answers. The report has every lie that the target let through: those runs can be proven, and
/// their outputs are others than the honest ones.
///
/// `host` makes an honest host; each run has its own. `progress` is told the number of lies done.
///
/// ```
/// use std::sync::Arc;
///
/// use miden_cvm::{
///     AdviceInputs, AdviceMutation, EventName, ExecutionOptions, Felt, HostError, ProcessState,
///     SourceText, StackInputs, Target, Toolchain,
///     advice::{LieCampaign, audit_advice},
/// };
///
/// // The host halves a number, and the program checks nothing but that it has 32 bits.
/// let source = SourceText {
///     file: "half.masm".into(),
///     module: "half".into(),
///     text: r#"begin emit.event("app::half") adv_push.1 u32assert swap drop end"#.into(),
/// };
/// let target = Target::from(Toolchain::new().assembly().program(source)?.code);
///
/// fn halve(state: &ProcessState<'_>) -> Result<Vec<AdviceMutation>, HostError> {
///     let half = state.get_stack_item(1).as_int() / 2;
///     Ok(vec![AdviceMutation::extend_stack([Felt::new(half)])])
/// }
/// let host = || {
///     let mut host = target.host();
///     host.register_handler(EventName::new("app::half"), Arc::new(halve))
///         .expect("the event has no handler");
///     host
/// };
/// let report = audit_advice(
///     &target,
///     StackInputs::try_from_ints([14])?,
///     AdviceInputs::default(),
///     &host,
///     ExecutionOptions::default(),
///     &LieCampaign { lies: 20, seed: 1, ..LieCampaign::default() },
///     &|_| {},
/// )?;
/// let finding = &report.findings[0];
/// assert_eq!((finding.lied[0].honest, finding.lied[0].said), (Felt::new(7), Felt::new(8)));
/// assert_eq!(finding.outputs.stack[0], Felt::new(8));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// If the target is refused before its first cycle. A target that traps when it is run honestly is
/// audited too: then every run that ends is a finding.
pub fn audit_advice<H: Host>(
    target: &Target,
    arguments: impl Into<Arguments>,
    advice_inputs: AdviceInputs,
    host: &(impl Fn() -> H + Sync),
    options: ExecutionOptions,
    campaign: &LieCampaign,
    progress: &(impl Fn(u64) + Sync),
) -> Result<LieReport, LieError> {
    let others = campaign.others.iter();
    let campaign = LieCampaign {
        others: others
            .map(|(arguments, advice)| (arguments.clone(), target.advice(advice.clone())))
            .collect(),
        ..campaign.clone()
    };
    let subject = Subject {
        program: target.program(),
        composition: target.composition(),
        arguments: arguments.into(),
        advice: target.advice(advice_inputs),
        host,
        options,
        precompiles: &with_claims(&default_registry()),
        procedures: target.procedures(),
    };
    miden_cvm_audit::advice::audit_advice(&subject, &campaign, progress)
}
