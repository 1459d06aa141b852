//! What a provider does not tell of what it made.

use crate::support::Place;

#[test]
fn an_attribute_that_is_left_out_is_null_from_the_first_apply_on() {
    let place = Place::with(
        "blueprint: demo\nproviders: { sim: {} }\nresources:\n  \
         m: { kind: gpu_instance, gpu: none }\n\
         outputs: { p: '{{ m.price_per_hour }}', price: '{{ m.price_per_hour | default(0) }}' }\n",
    );
    place.run(&["apply", "--yes"]).exits(0);
    let outputs = place.run(&["output", "--json"]).exits(0).json();
    assert!(outputs["p"].is_null() && outputs["price"].is_null(), "{outputs}");
    assert_eq!(outputs.as_object().unwrap().len(), 2, "{outputs}");
    place.run(&["plan"]).exits(0).says("Nothing to do");
}
