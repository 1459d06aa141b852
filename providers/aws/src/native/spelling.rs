//! What AWS writes otherwise than it was told, by the `propertyTransform` of a type's schema: a name in small letters, a key's ARN for
//! its id, `example.com.` for `example.com`.
//!
//! A transform is a `JSONata` expression of what was told; alternatives stand between `$OR`. What it comes to is how AWS writes it, or a
//! regular expression of what AWS may write. One that does not speak of its property would allow any value of it, and is left out.

use jsonata_core::Expression;
use jsonata_core::evaluator::EvaluatorOptions;
use jsonata_core::value::JValue;
use regex::Regex;
use serde_json::{Map as Object, Value as Json};
use trueup_engine::provider::Source;
use trueup_state::Value;

use super::published::{Pointer, Published};

/// What stands between alternatives.
const OR: &str = "$OR";
/// How deep an expression may go, and how long a list in it may get: AWS's need less than a tenth of it.
const DEPTH: usize = 1000;
const LENGTH: usize = 10_000;

/// One property's transform.
#[derive(Clone)]
struct Rule<'a> {
    /// What is left of the way to the property.
    rest: Vec<&'a str>,
    /// The expressions, any of which may hold.
    alternatives: Vec<&'a str>,
    /// Whether they speak of it from the top of the properties, and not from the map that it stands in.
    is_from_top: bool,
}

/// The properties `other`, in the words of `wanted` wherever the two are the same to AWS.
pub(super) fn respelled(published: &Published, wanted: &Value, other: &Value, source: Source) -> Value {
    let transforms = published.rest.get("propertyTransform").and_then(Json::as_object);
    let rules: Vec<Rule<'_>> = transforms.into_iter().flatten().filter_map(|(to, text)| rule(to, text)).collect();
    let mut respelled = other.clone();
    if !rules.is_empty() && wanted != other {
        let spelling = Spelling { wanted, other, source };
        spelling.walk(&rules, wanted, &mut respelled);
    }
    respelled
}

fn rule<'a>(to: &'a str, text: &'a Json) -> Option<Rule<'a>> {
    let rest = Pointer::path(to);
    let (first, last) = (rest.first()?, rest.last()?);
    let text = text.as_str()?;
    let is_from_top = rest.len() > 1 && text.contains(&format!("{first}."));
    let alternatives: Vec<&str> = text.split(OR).map(str::trim).filter(|text| text.contains(last)).collect();
    (!alternatives.is_empty()).then_some(Rule { rest, alternatives, is_from_top })
}

/// Two versions of a type's properties, as they are written.
struct Spelling<'a> {
    wanted: &'a Value,
    other: &'a Value,
    source: Source,
}

impl Spelling<'_> {
    /// Writes a part as `wanted` has it, wherever one of the rules says that it is the same.
    fn walk(&self, rules: &[Rule<'_>], wanted: &Value, other: &mut Value) {
        if let (Value::List(wanted), Value::List(items)) = (wanted, &mut *other) {
            let below: Vec<_> = rules.iter().map(|rule| past_items(rule)).collect();
            self.items(&below, wanted, items);
            return;
        }
        let Value::Map(fields) = wanted else { return };
        let before = other.clone();
        for (name, wanted) in fields {
            let Value::Map(theirs) = &mut *other else { return };
            let Some(theirs) = theirs.get_mut(name).filter(|theirs| *theirs != wanted) else { continue };
            let (here, below): (Vec<_>, Vec<_>) =
                rules.iter().filter_map(|rule| past(rule, name)).partition(|rule| rule.rest.is_empty());
            if here.iter().any(|rule| self.same(rule, name, (fields, wanted), (&before, theirs))) {
                *theirs = wanted.clone();
            } else if !below.is_empty() {
                self.walk(&below, wanted, theirs);
            }
        }
    }

    /// Each item that is one of the wanted ones in other words; a list counts whole, so half of an item does not help.
    fn items(&self, rules: &[Rule<'_>], wanted: &[Value], items: &mut [Value]) {
        let mut left: Vec<usize> = (0..items.len()).collect();
        let mut take = |is_it: &mut dyn FnMut(usize) -> bool| {
            let place = left.iter().position(|index| is_it(*index));
            place.map(|place| left.remove(place)).is_some()
        };
        let unlike: Vec<&Value> =
            wanted.iter().filter(|wanted| !take(&mut |index| items[index].same(wanted))).collect();
        let mut found = Vec::new();
        for wanted in unlike {
            take(&mut |index| {
                let mut item = items[index].clone();
                self.walk(rules, wanted, &mut item);
                let is_same = item.same(wanted);
                found.extend(is_same.then_some((index, item)));
                is_same
            });
        }
        for (index, item) in found {
            items[index] = item;
        }
    }

    /// Whether two values of one property are the same.
    fn same(
        &self,
        rule: &Rule<'_>,
        name: &str,
        (wanted_in, wanted): (&trueup_state::Map, &Value),
        (other_in, other): (&Value, &Value),
    ) -> bool {
        let (Some(wanted), Some(other)) = (plain(wanted), plain(other)) else { return false };
        let wanted_in = Value::Map(wanted_in.clone());
        let (of_wanted, of_other) = if rule.is_from_top { (self.wanted, self.other) } else { (&wanted_in, other_in) };
        let (of_wanted, of_other) = (plain(of_wanted), plain(of_other));
        rule.alternatives.iter().any(|text| {
            let told = of_wanted.as_ref().and_then(|of| evaluated(text, name, of));
            match self.source {
                Source::Found => told.is_some_and(|told| told == other || matches(&told, &other)),
                // A pattern allows too much between two that were told: that they may come to the same is not enough.
                Source::Sent => {
                    let sent = of_other.as_ref().and_then(|of| evaluated(text, name, of));
                    told.as_ref() == Some(&other) || sent.as_ref() == Some(&wanted) || told.is_some() && told == sent
                }
            }
        })
    }
}

/// A rule for what stands in a field.
fn past<'a>(rule: &Rule<'a>, name: &str) -> Option<Rule<'a>> {
    let (step, rest) = rule.rest.split_first()?;
    (*step == name || *step == "*").then(|| Rule { rest: rest.to_vec(), ..rule.clone() })
}

/// A rule for what stands in an item; `*` may be left out on the way through a list.
fn past_items<'a>(rule: &Rule<'a>) -> Rule<'a> {
    let rest = rule.rest.strip_prefix(&["*"]).unwrap_or(&rule.rest);
    Rule { rest: rest.to_vec(), ..rule.clone() }
}

/// What an expression comes to; none where it comes to nothing, or can't be evaluated.
fn evaluated(text: &str, name: &str, of: &Json) -> Option<Json> {
    let options =
        EvaluatorOptions { max_stack_depth: Some(DEPTH), max_sequence_length: Some(LENGTH), ..Default::default() };
    let expression = Expression::compile_with_options(text, options)
        .inspect_err(|error| tracing::debug!(%text, name, %error, "this transform can't be read"))
        .ok()?;
    let value = expression.evaluate(&JValue::from_json_str(&of.to_string()).ok()?).ok()?;
    let value: Json = serde_json::from_str(&value.to_json_string().ok()?).ok()?;
    Some(value).filter(|value| !value.is_null())
}

/// Whether a text is one that a pattern allows, whole.
fn matches(pattern: &Json, text: &Json) -> bool {
    let (Some(pattern), Some(text)) = (pattern.as_str(), text.as_str()) else { return false };
    Regex::new(&format!("^(?:{pattern})$")).is_ok_and(|pattern| pattern.is_match(text))
}

/// A value as JSON, without what is not known of it.
fn plain(value: &Value) -> Option<Json> {
    Some(match value.revealed() {
        Value::Null => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Number(number) => Json::Number(number.clone()),
        Value::String(text) => text.clone().into(),
        Value::List(items) => items.iter().map(plain).collect::<Option<_>>()?,
        Value::Map(map) => {
            let known = map.iter().filter_map(|(name, value)| Some((name.clone(), plain(value)?)));
            Json::Object(known.collect::<Object<_, _>>())
        }
        Value::Unknown | Value::Secret(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What becomes of `other` beside `wanted`, by the transforms.
    fn of(transforms: &Json, source: Source, wanted: &Json, other: &Json) -> Json {
        let published = json!({ "typeName": "AWS::Test::Thing", "propertyTransform": transforms });
        let published: Published = serde_json::from_value(published).unwrap();
        plain(&respelled(&published, &wanted.clone().into(), &other.clone().into(), source)).unwrap()
    }

    /// Whether one property of AWS's, by its own transform, is what was told.
    fn is(transform: &str, told: &str, found: &str) -> bool {
        let (told, found) = (json!({ "Name": told }), json!({ "Name": found }));
        of(&json!({ "/properties/Name": transform }), Source::Found, &told, &found) == told
    }

    #[test]
    fn what_is_found_is_what_was_told_in_the_words_of_aws() {
        assert!(is("$lowercase(Name)", "MyDB", "mydb"));
        assert!(!is("$lowercase(Name)", "MyDB", "other"));
        let zone = r#"Name $OR $join([Name, "."]) $OR $lowercase(Name) $OR $lowercase($join([Name, "."]))"#;
        assert!(is(zone, "Example.com", "example.com."));
        assert!(!is(zone, "Example.com", "example.org."));
        let key = r#"$join(["arn:.+?:kms:.+?:.+?:key\/", Name])"#;
        assert!(is(key, "1234", "arn:aws:kms:us-east-1:123456789012:key/1234"));
        assert!(!is(key, "1234", "arn:aws:kms:us-east-1:123456789012:key/12345"));
        assert!(!is(key, "1234", "before arn:aws:kms:us-east-1:123456789012:key/1234"));
    }

    #[test]
    fn what_tells_nothing_of_its_property_makes_nothing_the_same() {
        assert!(!is(r#""^[a-zA-Z0-9-]+$""#, "one", "another"));
        assert!(!is("\"vpc\"", "standard", "vpc"));
        assert!(!is("$lowercase(Name", "MyDB", "mydb"), "what can't be read");
        assert!(!is("$nothing(Name)", "MyDB", "mydb"), "what can't be evaluated");
        assert!(!is("$lowercase(Name.of)", "MyDB", "mydb"), "what is not there");
    }

    #[test]
    fn of_two_that_were_told_only_what_comes_to_the_same_is_the_same() {
        let one = |transform: &str, wanted: &str, sent: &str| {
            let (wanted, sent) = (json!({ "Name": wanted }), json!({ "Name": sent }));
            of(&json!({ "/properties/Name": transform }), Source::Sent, &wanted, &sent) == wanted
        };
        assert!(one("$lowercase(Name)", "mydb", "MyDB"));
        assert!(one("$lowercase(Name)", "MYDB", "MyDB"));
        assert!(!one("$lowercase(Name)", "other", "MyDB"));
        // Whatever has it in the midst is allowed of AWS, and would hide that a person took the rest away.
        let within = r#"$join([".*", Name, ".*"])"#;
        assert!(is(within, "a=1", "a=1;b=2"));
        assert!(!one(within, "a=1", "a=1;b=2"));
    }

    #[test]
    fn a_transform_speaks_from_its_own_map_or_from_the_top() {
        let transforms = json!({
            "/properties/Inner/Name": "$lowercase(Name)",
            "/properties/Secret/Key": "$lowercase(Secret.Key)",
            "properties/Size": "$uppercase(Size)",
        });
        let told = json!({ "Inner": { "Name": "A", "Rest": 1 }, "Secret": { "Key": "B" }, "Size": "m" });
        let found = json!({ "Inner": { "Name": "a", "Rest": 1 }, "Secret": { "Key": "b" }, "Size": "M" });
        assert_eq!(of(&transforms, Source::Found, &told, &found), told);
        let found = json!({ "Inner": { "Name": "a", "Rest": 2 }, "Secret": { "Key": "c" } });
        let respelled = json!({ "Inner": { "Name": "A", "Rest": 2 }, "Secret": { "Key": "c" } });
        assert_eq!(of(&transforms, Source::Found, &told, &found), respelled);
    }

    #[test]
    fn an_item_of_a_list_is_looked_for_wherever_it_is_and_taken_whole() {
        let transforms = json!({
            "/properties/Rules/*/Protocol": "$lowercase(Protocol)",
            "/properties/Rules/*/Port": "$lowercase(Protocol) in ['tcp', 'udp'] ? Port : -1",
        });
        let of = |found: Json| {
            let told = json!({ "Rules": [{ "Protocol": "TCP", "Port": 22 }, { "Protocol": "ICMP", "Port": 8 }] });
            of(&transforms, Source::Found, &told, &json!({ "Rules": found }))["Rules"].clone()
        };
        let (tcp, icmp) = (json!({ "Protocol": "TCP", "Port": 22 }), json!({ "Protocol": "ICMP", "Port": 8 }));
        let theirs = |protocol: &str, port: i64| json!({ "Protocol": protocol, "Port": port });
        assert_eq!(of(json!([theirs("icmp", -1), theirs("tcp", 22)])), json!([icmp, tcp]));
        assert_eq!(of(json!([theirs("tcp", 23), theirs("icmp", -1)])), json!([theirs("tcp", 23), icmp]));
        assert_eq!(of(json!([theirs("tcp", 22), theirs("tcp", 22)])), json!([tcp, theirs("tcp", 22)]));
        assert_eq!(of(json!([])), json!([]));
        assert_eq!(of(json!("none")), json!("none"));
    }

    #[test]
    fn a_secret_stays_one_and_what_is_not_known_is_like_nothing() {
        let published = json!({ "propertyTransform": { "/properties/Key": "$lowercase(Key)" } });
        let published: Published = serde_json::from_value(published).unwrap();
        let with = |value: Value| Value::Map([("Key".to_owned(), value)].into());
        let told = with(Value::secret("ABC".into()));
        let found = respelled(&published, &told, &with("abc".into()), Source::Found);
        assert_eq!(found, told);
        let unknown = respelled(&published, &with(Value::Unknown), &with("abc".into()), Source::Found);
        assert_eq!(unknown, with("abc".into()));
    }
}
