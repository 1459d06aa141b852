//! Paths as documents have them: words, and names for what stands in a path.

/// A path with names in it: `projects/{project}/topics/{topic}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Template(Vec<Segment>);

/// A part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Word(String),
    Name(String),
}

impl Template {
    /// The template of a text.
    pub(crate) fn of(text: &str) -> Self {
        let segments = text.split('/').filter(|segment| !segment.is_empty());
        let segment = |segment: &str| match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
            Some(name) => Segment::Name(name.trim_start_matches('+').to_owned()),
            None => Segment::Word(segment.to_owned()),
        };
        Self(segments.map(segment).collect())
    }

    /// How many parts it has.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// How many names it has.
    pub(crate) fn names(&self) -> usize {
        self.0.iter().filter(|segment| matches!(segment, Segment::Name(_))).count()
    }

    /// How many of its first parts are words.
    pub(crate) fn words(&self) -> usize {
        self.0.iter().take_while(|segment| matches!(segment, Segment::Word(_))).count()
    }

    /// A word of it by its place.
    pub(crate) fn word(&self, place: usize) -> Option<&str> {
        match self.0.get(place)? {
            Segment::Word(word) => Some(word),
            Segment::Name(_) => None,
        }
    }

    /// A name of it by its place.
    pub(crate) fn name(&self, place: usize) -> Option<&str> {
        match self.0.get(place)? {
            Segment::Name(name) => Some(name),
            Segment::Word(_) => None,
        }
    }

    /// What is left without its first and its last parts.
    pub(crate) fn between(&self, first: usize, last: usize) -> Self {
        Self(self.0.get(first..self.len().saturating_sub(last)).unwrap_or_default().to_vec())
    }

    /// Whether another begins as this one does: the same words, and names at the same places.
    pub(crate) fn leads(&self, other: &Self) -> bool {
        let same = |(a, b): (&Segment, &Segment)| match (a, b) {
            (Segment::Word(a), Segment::Word(b)) => a == b,
            (Segment::Name(_), Segment::Name(_)) => true,
            _ => false,
        };
        self.len() <= other.len() && self.0.iter().zip(&other.0).all(same)
    }

    /// The path with what stands for each name. The first name that nothing stands for is the error.
    pub(crate) fn fill(&self, mut value: impl FnMut(usize, &str) -> Option<String>) -> Result<String, String> {
        let segment = |(place, segment): (usize, &Segment)| match segment {
            Segment::Word(word) => Ok(word.clone()),
            Segment::Name(name) => value(place, name).ok_or_else(|| name.clone()),
        };
        let segments: Result<Vec<String>, String> = self.0.iter().enumerate().map(segment).collect();
        Ok(segments?.join("/"))
    }

    /// What stands for each name in a path of this form; none where it has another.
    pub(crate) fn read<'a>(&'a self, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if parts.len() != self.len() {
            return None;
        }
        let mut values = Vec::new();
        for (segment, part) in self.0.iter().zip(parts) {
            match segment {
                Segment::Word(word) if word == part => {}
                Segment::Word(_) => return None,
                Segment::Name(name) => values.push((name.as_str(), part)),
            }
        }
        Some(values)
    }
}

impl std::fmt::Display for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, segment) in self.0.iter().enumerate() {
            let before = if place == 0 { "" } else { "/" };
            match segment {
                Segment::Word(word) => write!(f, "{before}{word}")?,
                Segment::Name(name) => write!(f, "{before}{{{name}}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_filled_and_read() {
        let template = Template::of("projects/{projectsId}/topics/{topicsId}");
        let filled = template.fill(|_, name| (name == "projectsId").then(|| "p".to_owned()));
        assert_eq!(filled, Err("topicsId".to_owned()));
        let filled = template.fill(|place, _| Some(format!("at{place}"))).unwrap();
        assert_eq!(filled, "projects/at1/topics/at3");
        assert_eq!(template.read(&filled), Some(vec![("projectsId", "at1"), ("topicsId", "at3")]));
        assert_eq!(template.read("projects/p/subscriptions/s"), None);
        assert_eq!(template.read("projects/p"), None);
        assert_eq!(template.to_string(), "projects/{projectsId}/topics/{topicsId}");
    }

    #[test]
    fn one_leads_another_by_its_words_and_the_places_of_its_names() {
        let one = Template::of("v1/projects/{p}/topics");
        assert!(one.leads(&Template::of("v1/projects/{other}/topics/{t}")));
        assert!(!one.leads(&Template::of("v1/projects/{p}/subscriptions/{s}")));
        assert!(!one.leads(&Template::of("v1/projects/{p}")));
        assert!(!Template::of("b/c").leads(&Template::of("b/{bucket}")));
    }
}
