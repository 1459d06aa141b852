# A policy as it is written for Terraform's plans: of each change it reads the actions, both sides, and what is not known yet.
package terraform.analysis

import rego.v1

# What goes, replaced or not.
gone contains resource.address if {
	some resource in input.resource_changes
	resource.mode == "managed"
	"delete" in resource.change.actions
}

replaced contains resource.address if {
	some resource in input.resource_changes
	resource.change.actions in [["delete", "create"], ["create", "delete"]]
}

# How far a change reaches: a delete weighs ten times as much as a create.
score contains sum([weight |
	some resource in input.resource_changes
	some action in resource.change.actions
	weight := {"create": 1, "update": 2, "delete": 10, "no-op": 0, "read": 0}[action]
])

deny contains message if {
	some resource in input.resource_changes
	resource.type == "bucket"
	"delete" in resource.change.actions
	resource.change.before.force_destroy == true
	message := sprintf("%s goes with all that is in it", [resource.address])
}

deny contains message if {
	some resource in input.resource_changes
	some path in resource.change.replace_paths
	path[0] == "name"
	message := sprintf("%s is renamed from %s to %s", [
		resource.address, resource.change.before.name, resource.change.after.name,
	])
}

# What can't be judged before it is there.
open contains sprintf("%s.%s", [resource.address, field]) if {
	some resource in input.resource_changes
	some field, mark in resource.change.after_unknown
	mark == true
}

secrets contains sprintf("%s.env.%s", [resource.address, name]) if {
	some resource in input.resource_changes
	some name, mark in resource.change.after_sensitive.env
	mark == true
	resource.change.after.env[name] == null
}

# Resources of the blueprint and of its modules, as they are to be.
resources contains resource if {
	some resource in input.planned_values.root_module.resources
}

resources contains resource if {
	some module in input.planned_values.root_module.child_modules
	some resource in module.resources
}

untagged contains resource.address if {
	some resource in resources
	resource.type == "bucket"
	not resource.values.tags.team
}
