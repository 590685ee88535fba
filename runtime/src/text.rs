//! Suggestions for misspelled names in error messages.

/// The element of `known` that `given` probably misspells.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let longest = 200;
    if given.len() > longest {
        return None;
    }
    // At most a third of the letters may be wrong, and at most three. A suggestion that differs more would mislead.
    let allowed = (given.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .filter(|candidate| candidate.len() <= longest)
        .map(|candidate| (distance(given, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The edit distance: letters to insert, remove or replace to turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let known = ["increment", "get", "golem:counter/api/increment"];
        assert_eq!(nearest("incremet", known), Some("increment"));
        assert_eq!(nearest("gett", known), Some("get"));
        assert_eq!(nearest("golem:counter/api/incremnt", known), Some("golem:counter/api/increment"));
        assert_eq!(nearest("decrease-all", known), None);
        assert_eq!(nearest("", known), None);
    }
}
