/// A count and what is counted: "1 sample", "64 samples".
///
/// - Parameter plural: "categories"; by default the thing with an s.
public func counted(_ count: Int, _ thing: String, _ plural: String? = nil) -> String {
  "\(count) \(agreeing(with: count, thing, plural))"
}

/// A noun or a verb as a count wants it: "sample" or "samples"; "is" or "are", "has" or "have".
public func agreeing(with count: Int, _ singular: String, _ plural: String? = nil) -> String {
  count == 1 ? singular : plural ?? singular + "s"
}
