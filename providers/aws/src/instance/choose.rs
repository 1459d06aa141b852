//! Which machine type a spec comes to, and what in the spec comes to none.

use trueup_engine::diagnostic::closest;
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use super::catalog::{self, PRICED_AT, PRICED_IN, Type};

/// What a machine without a GPU is made of, where no type is said.
pub(super) const WITHOUT_GPU: &str = "t3.medium";

/// The GPUs that a spec asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gpus<'a> {
    Of { model: &'a str, count: u32 },
    None,
}

/// The GPUs that a spec asks for; none where that is not known yet.
pub(super) fn gpus(spec: &Value) -> Option<Gpus<'_>> {
    let gpu = spec.get("gpu")?.revealed();
    if gpu.as_str() == Some("none") {
        return Some(Gpus::None);
    }
    let count = match gpu.get("count")?.revealed() {
        Value::Number(number) => u32::try_from(number.as_u64()?).ok()?,
        _ => return None,
    };
    Some(Gpus::Of { model: gpu.get("model")?.revealed().as_str()?, count })
}

/// The machine type that a spec names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said<'a> {
    Nothing,
    Name(&'a str),
    /// What is not known yet.
    Something,
}

fn said(spec: &Value) -> Said<'_> {
    match spec.get("machine_type").map(Value::revealed) {
        None | Some(Value::Null) => Said::Nothing,
        Some(value) => value.as_str().map_or(Said::Something, Said::Name),
    }
}

/// The machine type that a spec comes to; none where that is not known yet, or no type has the GPUs.
pub(super) fn machine_type(spec: &Value) -> Option<&str> {
    match (said(spec), gpus(spec)?) {
        (Said::Name(name), _) => Some(name),
        (Said::Something, _) => None,
        (Said::Nothing, Gpus::None) => Some(WITHOUT_GPU),
        (Said::Nothing, Gpus::Of { model, count }) => Some(catalog::smallest(model, count)?.name),
    }
}

/// What in a spec comes to no machine type, or to one that costs more than it may.
pub(super) fn problems(spec: &Value) -> Vec<Problem> {
    let of_gpu = match gpus(spec) {
        Some(Gpus::Of { model, count }) => model_problem(model)
            .or_else(|| count_problem(spec, model, count))
            .or_else(|| type_problem(spec, model, count)),
        Some(Gpus::None) => type_without_gpu(spec),
        None => None,
    };
    of_gpu.into_iter().chain(price_problem(spec)).collect()
}

fn model_problem(model: &str) -> Option<Problem> {
    if catalog::with(model).next().is_some() {
        return None;
    }
    let models = catalog::models();
    let message =
        format!("EC2 has no GPUs of NVIDIA's called `{model}` that are known: there are {}", models.join(", "));
    let suggestion = closest(&model.to_uppercase(), models.iter().map(String::as_str));
    Some(Problem { suggestion, ..Problem::new(FieldPath::parse("gpu.model"), message) })
}

fn count_problem(spec: &Value, model: &str, count: u32) -> Option<Problem> {
    if said(spec) != Said::Nothing || catalog::smallest(model, count).is_some() {
        return None;
    }
    let mut counts: Vec<u32> = catalog::with(model).map(|one| one.count).collect();
    counts.sort_unstable();
    counts.dedup();
    let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
    let message = format!("no machine type has exactly {count} {model}: there are those with {}", counts.join(", "));
    Some(Problem::new(FieldPath::parse("gpu.count"), message))
}

fn type_problem(spec: &Value, model: &str, count: u32) -> Option<Problem> {
    let Said::Name(name) = said(spec) else { return None };
    let has = match catalog::named(name) {
        Some(one) if one.count == count && catalog::is_model(one, model) => return None,
        Some(one) => format!("`{name}` has {} {}, and not {count} {model}", one.count, one.model),
        None => format!("`{name}` has no GPUs that are known; of {count} {model} there are {}", names(model, count)),
    };
    Some(Problem::new(FieldPath::parse("machine_type"), has))
}

fn names(model: &str, count: u32) -> String {
    let names: Vec<&str> = catalog::with(model).filter(|one| one.count == count).map(|one| one.name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn type_without_gpu(spec: &Value) -> Option<Problem> {
    let Said::Name(name) = said(spec) else { return None };
    let Type { count, model, .. } = catalog::named(name)?;
    let message = format!("`{name}` has {count} {model}: say `gpu: {{ model: {model}, count: {count} }}`");
    Some(Problem::new(FieldPath::parse("machine_type"), message))
}

/// What is bought at the list price costs that. The table's prices are those of the cheapest regions.
fn price_problem(spec: &Value) -> Option<Problem> {
    let is_on_demand =
        spec.get("market").map(Value::revealed).is_none_or(|market| market.as_str() == Some("on_demand"));
    let most = match spec.get("max_price_per_hour")?.revealed() {
        Value::Number(number) => number.as_f64()?,
        _ => return None,
    };
    let one = catalog::named(machine_type(spec)?)?;
    let price = one.price.filter(|price| is_on_demand && *price > most)?;
    let message = format!("a {} costs {price} US dollars an hour on demand in {PRICED_IN} ({PRICED_AT})", one.name);
    Some(Problem::new(FieldPath::parse("max_price_per_hour"), message))
}
