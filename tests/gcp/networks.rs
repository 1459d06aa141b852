//! Networks: a subnet for each zone, who reaches whom, and the way out.

use serde_json::{Value as Json, json};

use crate::rig::Rig;

fn network(more: &str) -> String {
    format!("  net: {{ kind: network, name: research, {more} }}\n")
}

impl Rig {
    fn subnets(&self, region: &str) -> Vec<Json> {
        let with = json!({ "project": self.gcp.project, "region": region });
        self.sees("compute.v1.subnetworks", "list", with)["items"].as_array().cloned().unwrap_or_default()
    }

    fn rules(&self) -> Vec<Json> {
        let mut all = Vec::new();
        let mut with = json!({ "project": self.gcp.project });
        loop {
            let page = self.sees("compute.v1.firewalls", "list", with.clone());
            all.extend(page["items"].as_array().cloned().unwrap_or_default());
            match page["nextPageToken"].as_str() {
                Some(token) => with["pageToken"] = token.into(),
                None => return all,
            }
        }
    }
}

#[test]
fn each_zone_has_a_subnet_with_its_share_of_the_addresses() {
    let Some(rig) = Rig::with(&network("zones: [europe-west4-a, us-central1-b]")) else { return };
    rig.up();
    let [subnet] = &rig.subnets("europe-west4")[..] else { panic!() };
    assert_eq!((&subnet["ipCidrRange"], &subnet["privateIpGoogleAccess"]), (&json!("10.0.0.0/20"), &json!(true)));
    assert_eq!(rig.subnets("us-central1")[0]["ipCidrRange"], "10.0.16.0/20");
    let seen = rig.sees("compute.v1.networks", "get", json!({ "project": rig.gcp.project, "network": "research" }));
    assert_eq!(seen["autoCreateSubnetworks"], false, "{seen}");
    let rules = rig.rules();
    assert_eq!(rules.len(), 1, "{rules:?}");
    assert_eq!((&rules[0]["sourceRanges"], &rules[0]["direction"]), (&json!(["10.0.0.0/16"]), &json!("INGRESS")));
    // Somebody opens it to all, and keeps a subnet from Google's own services.
    let body = json!({ "sourceRanges": ["0.0.0.0/0"] });
    let with = json!({ "project": rig.gcp.project, "firewall": rules[0]["name"], "body": body });
    rig.sees("compute.v1.firewalls", "patch", with);
    let with = json!({
        "project": rig.gcp.project, "region": "europe-west4", "subnetwork": subnet["name"],
        "body": { "privateIpGoogleAccess": false },
    });
    let answer = rig.sees("compute.v1.subnetworks", "setPrivateIpGoogleAccess", with);
    assert!(answer.get("error").is_none(), "{answer}");
    rig.corrects("net");
    assert_eq!(rig.rules()[0]["sourceRanges"], json!(["10.0.0.0/16"]));
    assert_eq!(rig.subnets("europe-west4")[0]["privateIpGoogleAccess"], true);
    // A zone more leaves the others as they are.
    rig.write(&network("zones: [europe-west4-a, europe-west4-c, us-central1-b]"));
    rig.run(&["plan"]).exits(2).says("1 to create, 1 to change, 0 to replace");
    rig.up();
    assert_eq!(rig.subnets("europe-west4").len(), 2);
    // Other addresses are other subnets, and another name another network with all that is in it.
    rig.write(&network("zones: [europe-west4-a], cidr: 10.64.0.0/16"));
    rig.run(&["apply", "--yes=all"]).exits(0);
    rig.is_level();
    assert_eq!(rig.subnets("europe-west4")[0]["ipCidrRange"], "10.64.0.0/20");
    rig.write(&network("zones: [europe-west4-a], cidr: 10.64.0.0/16").replace("name: research", "name: other"));
    rig.run(&["apply", "--yes=all"]).exits(0);
    rig.is_level();
    assert!(rig.rules()[0]["network"].as_str().unwrap().ends_with("/networks/other"));
    rig.down();
}

#[test]
fn without_the_internet_machines_reach_each_other_and_googles_own_services() {
    let Some(rig) = Rig::with(&network("zones: [europe-west4-a], internet: false, tags: { team: a }")) else { return };
    rig.up();
    let rules = rig.rules();
    let closed = rules.iter().find(|rule| rule["denied"].is_array()).unwrap();
    assert_eq!((&closed["direction"], &closed["destinationRanges"]), (&json!("EGRESS"), &json!(["0.0.0.0/0"])));
    let open = rules.iter().find(|rule| rule["direction"] == "EGRESS" && rule["allowed"].is_array()).unwrap();
    assert!(open["priority"].as_i64() < closed["priority"].as_i64(), "{rules:?}");
    assert!(open["destinationRanges"].as_array().unwrap().contains(&json!("199.36.153.8/30")), "{open}");
    let policies = rig.sees("dns.v1.responsePolicies", "list", json!({ "project": rig.gcp.project }));
    let policy = &policies["responsePolicies"][0];
    assert!(policy["networks"][0]["networkUrl"].as_str().unwrap().ends_with("/networks/research"), "{policies}");
    let with = json!({ "project": rig.gcp.project, "responsePolicy": policy["responsePolicyName"] });
    let answers = rig.sees("dns.v1.responsePolicyRules", "list", with);
    let names: Vec<&Json> =
        answers["responsePolicyRules"].as_array().unwrap().iter().map(|rule| &rule["dnsName"]).collect();
    assert!(names.contains(&&json!("*.googleapis.com.")), "{answers}");
    // The way out is opened, and nothing is left of what closed it.
    rig.write(&network("zones: [europe-west4-a], tags: { team: a }"));
    rig.run(&["apply", "--yes=all"]).exits(0);
    rig.is_level();
    assert_eq!(rig.rules().len(), 1);
    rig.down();
}

#[test]
fn a_machine_is_in_a_network_of_the_same_blueprint() {
    let machine = "  m: { kind: gpu_instance, gpu: none, ssh: { ingress: [203.0.113.0/24] }, network: { subnet: \"{{ net.subnets['europe-west4-a'] }}\", ports: [8000] }, options: { gcp: { network: \"{{ net.resource_id }}\" } } }\n";
    let Some(rig) = Rig::with(&(network("zones: [europe-west4-a]") + machine)) else { return };
    rig.up();
    let seen = rig.sees("compute.v1.instances", "list", rig.in_zone(json!({})));
    let interface = &seen["items"][0]["networkInterfaces"][0];
    assert!(interface["network"].as_str().unwrap().ends_with("/global/networks/research"), "{interface}");
    assert!(interface["subnetwork"].as_str().unwrap().contains("/regions/europe-west4/subnetworks/"), "{interface}");
    let rules = rig.rules();
    assert_eq!(rules.len(), 3, "{rules:?}");
    assert!(rules.iter().all(|rule| rule["network"].as_str().unwrap().ends_with("/networks/research")), "{rules:?}");
    // What is closed to all else is open to the network itself.
    let priority = |is_it: &dyn Fn(&Json) -> bool| rules.iter().find(|rule| is_it(rule)).unwrap()["priority"].as_i64();
    let (inside, closed) =
        (priority(&|rule| rule["sourceRanges"] == json!(["10.0.0.0/16"])), priority(&|rule| rule["denied"].is_array()));
    assert!(inside < closed, "{rules:?}");
    rig.down();
}

#[test]
fn zones_that_can_not_be_told_apart_are_told_by_the_plan() {
    let Some(rig) = Rig::with("") else { return };
    let refused = |more: &str, says: &str| {
        rig.write(&network(more));
        rig.run(&["plan"]).exits(1).complains(says);
    };
    refused("zones: [europe-west4-a, us-central1-a]", "options.gcp.addresses");
    refused("zones: [europe-west4]", "a region and a letter");
    refused("zones: [europe-west4-a], options: { gcp: { addresses: { us-central1-a: 10.0.0.0/20 } } }", "no such zone");
    rig.write(&network(
        "zones: [europe-west4-a, us-central1-a], options: { gcp: { addresses: { us-central1-a: 10.0.240.0/20 } } }",
    ));
    rig.up();
    assert_eq!(rig.subnets("us-central1")[0]["ipCidrRange"], "10.0.240.0/20");
    rig.down();
}
