//! What Compute Engine can't take of a machine's spec, told from that alone.

use trueup_engine::schema::Problem;
use trueup_machines::told;
use trueup_state::{FieldPath, Value};

use super::catalog::COMPUTE;
use super::launch::MOST_TOLD;
use super::{disk, image, options};
use crate::labels;

/// All of it. `zone`: the one that it would be in.
pub(super) fn problems(spec: &Value, zone: Option<&str>) -> Vec<Problem> {
    let mut problems = COMPUTE.problems(spec);
    problems.extend(image::problems(spec));
    problems.extend(disk::problems(spec));
    problems.extend(told::problems(spec, MOST_TOLD));
    problems.extend(options::problems(spec));
    problems.extend(labels::problems(spec));
    if zone.is_none() {
        let message = "a machine is in a zone: say `zone` of its provider, or in its `placement`";
        problems.push(Problem::new(FieldPath::root(), message));
    }
    problems
}
