//! The machine types of a cloud, and which of them a spec comes to.

use trueup_engine::diagnostic::closest;
use trueup_engine::schema::Problem;
use trueup_state::{FieldPath, Value};

use crate::model::Named;

/// A machine type with whole GPUs of NVIDIA's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MachineType {
    /// The cloud's name for it.
    pub name: &'static str,
    /// The model of its GPUs.
    pub model: &'static str,
    /// How many GPUs it has.
    pub count: u32,
    /// The memory of one, in MiB.
    pub gpu_mib: u32,
    /// How many virtual processors it has.
    pub vcpus: u32,
    /// Its memory in GiB.
    pub memory_gib: u32,
    /// What it costs on demand at [`Catalog::priced_in`], in US dollars an hour; none where that is not published.
    pub price: Option<f64>,
}

/// The machine types of one cloud.
#[derive(Clone, Copy, Debug)]
pub struct Catalog {
    /// Whose they are: `EC2`.
    pub maker: &'static str,
    /// All of them, by model; of each model and count the smallest first.
    pub types: &'static [MachineType],
    /// What a machine without a GPU is made of, where no type is said.
    pub without_gpu: &'static str,
    /// Where the prices are from.
    pub priced_in: &'static str,
    /// Of what day the prices are.
    pub priced_at: &'static str,
    /// Whether GPUs of a model, by the table's name, can be attached to a type by its name. What is attached is not the type's.
    pub attaches: fn(name: &str, model: &str) -> bool,
}

/// The GPUs that a spec asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gpus<'a> {
    /// So many of a model.
    Of {
        /// The model, as the spec has it.
        model: &'a str,
        /// How many.
        count: u32,
    },
    /// None.
    None,
}

/// The GPUs that a spec asks for; none where that is not known yet.
pub fn gpus(spec: &Value) -> Option<Gpus<'_>> {
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

impl Catalog {
    /// A type by its name, where the table has it. Of one that GPUs are attached to it is one of several.
    pub fn named(&self, name: &str) -> Option<&'static MachineType> {
        self.types.iter().find(|one| one.name == name)
    }

    /// Whether a type's GPUs are what a blueprint calls so.
    pub fn is_model(&self, of: &MachineType, named: &str) -> bool {
        Named::of(named).is(of)
    }

    /// The types with GPUs of a model.
    pub fn with(&self, model: &str) -> impl Iterator<Item = &'static MachineType> + use<> {
        let named = Named::of(model);
        self.types.iter().filter(move |one| named.is(one))
    }

    /// The smallest type that has exactly these GPUs.
    pub fn smallest(&self, model: &str, count: u32) -> Option<&'static MachineType> {
        let size = |one: &&MachineType| (one.vcpus, one.memory_gib);
        // Of types that are as large, the first in the table costs the least.
        self.with(model).filter(|one| one.count == count).min_by_key(size)
    }

    /// The models that there are, as a blueprint may name them.
    pub fn models(&self) -> Vec<String> {
        let mut models: Vec<String> = Vec::new();
        for one in self.types {
            let alike = self.types.iter().any(|other| other.model == one.model && other.gpu_mib != one.gpu_mib);
            let name = if alike { format!("{}-{}GB", one.model, one.gpu_mib / 1024) } else { one.model.to_owned() };
            if !models.contains(&name) {
                models.push(name);
            }
        }
        models
    }

    /// The machine type that a spec comes to; none where that is not known yet, or no type has the GPUs.
    pub fn machine_type<'a>(&self, spec: &'a Value) -> Option<&'a str> {
        match (said(spec), gpus(spec)?) {
            (Said::Name(name), _) => Some(name),
            (Said::Something, _) => None,
            (Said::Nothing, Gpus::None) => Some(self.without_gpu),
            (Said::Nothing, Gpus::Of { model, count }) => Some(self.smallest(model, count)?.name),
        }
    }

    /// What in a spec comes to no machine type, or to one that costs more than it may.
    pub fn problems(&self, spec: &Value) -> Vec<Problem> {
        let of_gpu = match gpus(spec) {
            Some(Gpus::Of { model, count }) => self
                .model_problem(model)
                .or_else(|| self.count_problem(spec, model, count))
                .or_else(|| self.type_problem(spec, model, count)),
            Some(Gpus::None) => self.type_without_gpu(spec),
            None => None,
        };
        of_gpu.into_iter().chain(self.price_problem(spec)).collect()
    }

    fn model_problem(&self, model: &str) -> Option<Problem> {
        if self.with(model).next().is_some() {
            return None;
        }
        let models = self.models();
        let message = format!(
            "{} has no GPUs of NVIDIA's called `{model}` that are known: there are {}",
            self.maker,
            models.join(", ")
        );
        let suggestion = closest(&model.to_uppercase(), models.iter().map(String::as_str));
        Some(Problem { suggestion, ..Problem::new(FieldPath::parse("gpu.model"), message) })
    }

    fn count_problem(&self, spec: &Value, model: &str, count: u32) -> Option<Problem> {
        if said(spec) != Said::Nothing || self.smallest(model, count).is_some() {
            return None;
        }
        let mut counts: Vec<u32> = self.with(model).map(|one| one.count).collect();
        counts.sort_unstable();
        counts.dedup();
        let counts: Vec<String> = counts.iter().map(ToString::to_string).collect();
        let message =
            format!("no machine type has exactly {count} {model}: there are those with {}", counts.join(", "));
        Some(Problem::new(FieldPath::parse("gpu.count"), message))
    }

    fn type_problem(&self, spec: &Value, model: &str, count: u32) -> Option<Problem> {
        let Said::Name(name) = said(spec) else { return None };
        let is_attached = |one: &MachineType| one.count == count && (self.attaches)(name, one.model);
        if self.with(model).any(|one| one.name == name && one.count == count || is_attached(one)) {
            return None;
        }
        let has = match self.named(name) {
            Some(one) => format!("`{name}` has {} {}, and not {count} {model}", one.count, one.model),
            None => {
                format!(
                    "`{name}` has no GPUs that are known; of {count} {model} there are {}",
                    self.names(model, count)
                )
            }
        };
        Some(Problem::new(FieldPath::parse("machine_type"), has))
    }

    fn names(&self, model: &str, count: u32) -> String {
        let names: Vec<&str> = self.with(model).filter(|one| one.count == count).map(|one| one.name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }

    fn type_without_gpu(&self, spec: &Value) -> Option<Problem> {
        let Said::Name(name) = said(spec) else { return None };
        let MachineType { count, model, .. } = self.named(name).filter(|one| !(self.attaches)(name, one.model))?;
        let message = format!("`{name}` has {count} {model}: say `gpu: {{ model: {model}, count: {count} }}`");
        Some(Problem::new(FieldPath::parse("machine_type"), message))
    }

    /// What is bought at the list price costs that. The table's prices are those of the cheapest regions.
    fn price_problem(&self, spec: &Value) -> Option<Problem> {
        let is_on_demand =
            spec.get("market").map(Value::revealed).is_none_or(|market| market.as_str() == Some("on_demand"));
        let most = match spec.get("max_price_per_hour")?.revealed() {
            Value::Number(number) => number.as_f64()?,
            _ => return None,
        };
        let one = self.named(self.machine_type(spec)?)?;
        let price = one.price.filter(|price| is_on_demand && *price > most)?;
        let message = format!(
            "a {} costs {price} US dollars an hour on demand in {} ({})",
            one.name, self.priced_in, self.priced_at
        );
        Some(Problem::new(FieldPath::parse("max_price_per_hour"), message))
    }
}
