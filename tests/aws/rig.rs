//! The program in a place of its own, with an account of its own.

use serde_json::Value as Json;

use crate::aws::Aws;
use crate::support::{Place, Ran, Running};

/// Both.
pub(crate) struct Rig {
    pub(crate) place: Place,
    pub(crate) aws: Aws,
}

impl Rig {
    /// One with these resources; none where moto can't be had, which is said.
    pub(crate) fn with(resources: &str) -> Option<Self> {
        let aws = Aws::start()?;
        let rig = Self { place: Place::new(), aws };
        rig.write(resources);
        Some(rig)
    }

    /// Other resources.
    pub(crate) fn write(&self, resources: &str) {
        self.place
            .write("blueprint.yaml", &format!("blueprint: demo\nproviders: {{ aws: {{}} }}\nresources:\n{resources}"));
    }

    /// Runs the program.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(arguments, &[])
    }

    /// Runs the program with more environment variables.
    #[track_caller]
    pub(crate) fn run_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Ran {
        let environment = self.aws.environment();
        let environment = environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let environment: Vec<_> = environment.chain(more.iter().copied()).collect();
        self.place.run_with(arguments, &environment)
    }

    /// Starts the program and goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, &[])
    }

    /// The same with more environment variables.
    pub(crate) fn start_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Running {
        let environment = self.aws.environment();
        let environment = environment.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let environment: Vec<_> = environment.chain(more.iter().copied()).collect();
        self.place.start_with(arguments, &environment)
    }

    /// Applies what the blueprint says, after which nothing is left to do.
    #[track_caller]
    pub(crate) fn up(&self) -> Ran {
        let ran = self.run(&["apply", "--yes"]).exits(0);
        self.is_level();
        ran
    }

    /// Nothing is left to do, and nothing has drifted.
    #[track_caller]
    pub(crate) fn is_level(&self) {
        self.run(&["plan"]).exits(0);
        self.run(&["drift"]).exits(0);
    }

    /// Something drifted: what a report says of it, once it is put right.
    #[track_caller]
    pub(crate) fn corrects(&self, said: &str) {
        self.run(&["drift"]).exits(2).says(said);
        self.run(&["drift", "--correct", "--yes"]).exits(0);
        self.is_level();
    }

    /// What boto3 says.
    pub(crate) fn s3(&self, call: &str, with: Json) -> Json {
        self.aws.boto("s3", call, with)
    }

    /// What boto3 says of Cloud Control.
    pub(crate) fn types(&self, call: &str, with: Json) -> Json {
        self.aws.boto("cloudcontrol", call, with)
    }

    /// The names of all buckets.
    pub(crate) fn buckets(&self) -> Vec<String> {
        let listed = self.s3("list_buckets", serde_json::json!({}));
        let name = |bucket: &Json| bucket["Name"].as_str().unwrap().to_owned();
        let mut names: Vec<String> = listed["Buckets"].as_array().unwrap().iter().map(name).collect();
        names.sort();
        names
    }
}
