//! The program in a place of its own, with a project of its own.

use serde_json::Value as Json;

use crate::gcp::Gcp;
use crate::support::{Place, Ran, Running};

/// Both.
pub(crate) struct Rig {
    pub(crate) place: Place,
    pub(crate) gcp: Gcp,
}

impl Rig {
    /// One with these resources; none where the double can't be had, which is said.
    pub(crate) fn with(resources: &str) -> Option<Self> {
        let rig = Self { gcp: Gcp::start()?, place: Place::new() };
        rig.write(resources);
        Some(rig)
    }

    /// Other resources. `PROJECT` in them is the project's id.
    pub(crate) fn write(&self, resources: &str) {
        let resources = resources.replace("PROJECT", &self.gcp.project);
        let settings = self.gcp.settings();
        self.place.write(
            "blueprint.yaml",
            &format!("blueprint: demo\nproviders: {{ gcp: {settings} }}\nresources:\n{resources}"),
        );
    }

    /// Runs the program.
    #[track_caller]
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let environment = self.gcp.environment();
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.place.run_with(arguments, &environment)
    }

    /// Starts the program and goes on.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let environment = self.gcp.environment();
        let environment: Vec<_> = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
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

    /// What was changed by hand is found, and put right.
    #[track_caller]
    pub(crate) fn corrects(&self, said: &str) {
        self.run(&["drift"]).exits(2).says(said);
        self.run(&["drift", "--correct", "--yes"]).exits(0);
        self.is_level();
    }

    /// Destroys all, which leaves nothing.
    #[track_caller]
    pub(crate) fn down(&self) {
        self.run(&["destroy", "--yes"]).exits(0);
        assert_eq!(self.gcp.things(), [""; 0]);
    }

    /// What a call of Google's own client is told, and where: in this project and its usual zone.
    pub(crate) fn in_zone(&self, mut with: Json) -> Json {
        with["project"] = self.gcp.project.as_str().into();
        with["zone"] = format!("{}-a", crate::gcp::REGION).into();
        with
    }

    /// What Google's own client is answered.
    pub(crate) fn sees(&self, way: &str, call: &str, with: Json) -> Json {
        self.gcp.observe(way, call, with)
    }
}
