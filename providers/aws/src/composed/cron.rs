//! From the times that `cron` tells to those of `EventBridge` Scheduler, whose days of the week are others and which has years besides.

/// The names of the days of the week, from Sunday, which is 0, to Sunday, which is 7.
const DAYS: [&str; 8] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"];
/// The fields, and the bounds of each.
const FIELDS: [(&str, u8, u8); 5] =
    [("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7)];

/// Scheduler's expression of the same times. The error is why there is none.
pub(super) fn expression(cron: &str) -> Result<String, String> {
    let fields: Vec<&str> = cron.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        return Err("it has five fields: minute, hour, day of the month, month, day of the week".to_owned());
    };
    for (field, bounds) in fields.iter().zip(FIELDS) {
        check(field, bounds)?;
    }
    // `cron` takes either of the two days where both are said, and Scheduler can't.
    let (day, weekday) = match (day, weekday) {
        (day, "*") => (day.to_owned(), "?".to_owned()),
        ("*", weekday) => ("?".to_owned(), by_name(weekday)),
        _ => return Err("AWS takes a day of the month or a day of the week, not both: make two schedules".to_owned()),
    };
    Ok(format!("cron({minute} {hour} {day} {month} {weekday} *)"))
}

/// Refuses what is no list of numbers, ranges and steps within bounds.
fn check(field: &str, (name, least, most): (&str, u8, u8)) -> Result<(), String> {
    let wrong = || format!("`{field}` is no {name}: numbers from {least} to {most}, `a-b`, `*/n`, with commas between");
    let number = |text: &str| text.parse::<u8>().ok().filter(|number| (least..=most).contains(number));
    for part in field.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        if step.is_some_and(|step| step.parse::<u8>().is_ok_and(|step| step == 0) || step.parse::<u8>().is_err()) {
            return Err(wrong());
        }
        let fits = match range.split_once('-') {
            _ if range == "*" => true,
            Some((from, to)) => number(from).zip(number(to)).is_some_and(|(from, to)| from <= to),
            // A step counts from somewhere to the end.
            None => number(range).is_some() && step.is_none(),
        };
        if !fits {
            return Err(wrong());
        }
    }
    Ok(())
}

/// Days of the week by name: numbers mean other days to Scheduler.
fn by_name(weekday: &str) -> String {
    let day = |number: usize| DAYS[number.min(7)];
    let named = |part: &str| {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, step.parse().ok()));
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (0, 6),
            Some((from, to)) => (from.parse().unwrap_or(0), to.parse().unwrap_or(0)),
            None => (range.parse().unwrap_or(0), range.parse().unwrap_or(0)),
        };
        // A range that ends on Sunday would end before it begins.
        let days: Vec<&str> = (from..=to).step_by(step.unwrap_or(1).max(1)).map(day).collect();
        days.join(",")
    };
    weekday.split(',').map(named).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_cron_are_the_same_at_scheduler() {
        for (cron, told) in [
            ("30 3 * * *", "cron(30 3 * * ? *)"),
            ("0 */6 * * 1-5", "cron(0 */6 ? * MON,TUE,WED,THU,FRI *)"),
            ("0,30 8-18/2 1 1,7 *", "cron(0,30 8-18/2 1 1,7 ? *)"),
            ("0 0 * * 0", "cron(0 0 ? * SUN *)"),
            ("0 0 * * 5-7", "cron(0 0 ? * FRI,SAT,SUN *)"),
            ("0 0 * * */2", "cron(0 0 ? * SUN,TUE,THU,SAT *)"),
        ] {
            assert_eq!(expression(cron).as_deref(), Ok(told), "{cron}");
        }
    }

    #[test]
    fn what_is_no_time_says_why() {
        for (cron, why) in [
            ("60 3 * * *", "`60` is no minute"),
            ("0 24 * * *", "`24` is no hour"),
            ("0 3 0 * *", "`0` is no day of the month"),
            ("0 3 * 13 *", "`13` is no month"),
            ("0 3 * * 8", "`8` is no day of the week"),
            ("0 3 * * MON", "`MON` is no day of the week"),
            ("0 5-3 * * *", "`5-3` is no hour"),
            ("*/0 3 * * *", "`*/0` is no minute"),
            ("3/5 3 * * *", "`3/5` is no minute"),
            ("0 3 1 * 1", "not both"),
            ("0 3 * *", "five fields"),
            ("@daily", "five fields"),
        ] {
            let said = expression(cron).unwrap_err();
            assert!(said.contains(why), "{cron}: {said}");
        }
    }
}
