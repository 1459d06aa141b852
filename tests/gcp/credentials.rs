//! Who is asked as: a key, a token that Google's Security Token Service gives for another's, an account that is acted as, the machine itself.

use serde_json::{Value as Json, json};

use crate::rig::Rig;
use crate::support::Ran;

const BUCKET: &str = "  data: { kind: pubsub.v1.projects.topics, name: data }\n";

impl Rig {
    /// Runs the program with these variables alone.
    fn run_as(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
        self.place.run_with(arguments, variables)
    }

    /// The credentials of another cloud's workload, in a file, and the file's path.
    fn federated(&self, token: &str, more: Json) -> String {
        self.place.write("subject", token);
        let mut said = json!({
            "type": "external_account",
            "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/github",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{}/sts.googleapis.com/v1/token", self.gcp.url()),
            "credential_source": { "file": self.place.path("subject") },
        });
        said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.place.write("federated.json", &said.to_string());
        self.place.path("federated.json").display().to_string()
    }
}

#[test]
fn another_clouds_workload_is_known_by_its_own_token() {
    let Some(rig) = Rig::with(BUCKET) else { return };
    let file = rig.federated("a workload's token", json!({}));
    rig.run_as(&["apply", "--yes"], &[("GOOGLE_APPLICATION_CREDENTIALS", &file)]).exits(0);
    rig.run_as(&["plan"], &[("GOOGLE_APPLICATION_CREDENTIALS", &file)]).exits(0);
    let file = rig.federated("somebody's token", json!({}));
    rig.run_as(&["plan"], &[("GOOGLE_APPLICATION_CREDENTIALS", &file)]).exits(0).says("the credentials can't be used");
    rig.down();
}

#[test]
fn a_workload_acts_as_a_service_account() {
    let Some(rig) = Rig::with(BUCKET) else { return };
    let acting = |account: &str| {
        let url = format!(
            "{}/iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:generateAccessToken",
            rig.gcp.url()
        );
        rig.federated("a workload's token", json!({ "service_account_impersonation_url": url }))
    };
    let file = acting("deployer@acme.iam.gserviceaccount.com");
    rig.run_as(&["apply", "--yes"], &[("GOOGLE_APPLICATION_CREDENTIALS", &file)]).exits(0);
    assert_eq!(rig.gcp.callers(), ["deployer@acme.iam.gserviceaccount.com"]);
    let file = acting("stranger@acme.iam.gserviceaccount.com");
    rig.run_as(&["plan"], &[("GOOGLE_APPLICATION_CREDENTIALS", &file)]).exits(0).says("the credentials can't be used");
    rig.down();
}

#[test]
fn a_machine_of_googles_knows_its_project_and_its_account() {
    let Some(rig) = Rig::with(BUCKET) else { return };
    let host = rig.gcp.url().trim_start_matches("http://").to_owned();
    // The project of the machine is another than that of the test: a blueprint that says none is in it.
    let text = std::fs::read_to_string(rig.place.path("blueprint.yaml")).unwrap();
    rig.place.write("blueprint.yaml", &text.replace(&format!("project: {}, ", rig.gcp.project), ""));
    let variables = [("GCE_METADATA_HOST", host.as_str())];
    rig.run_as(&["plan"], &variables).exits(2).says("acme-machine");
    rig.run_as(&["apply", "--yes"], &variables).exits(0);
    let seen = rig.sees("pubsub.v1.projects.topics", "get", json!({ "topic": "projects/acme-machine/topics/data" }));
    assert_eq!(seen["name"], "projects/acme-machine/topics/data", "{seen}");
    rig.run_as(&["destroy", "--yes"], &variables).exits(0);
}
