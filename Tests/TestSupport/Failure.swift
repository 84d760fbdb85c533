/// The description of the error that `body` throws; nil where it throws none.
public func failure(_ body: () throws -> some Any) -> String? {
  do {
    _ = try body()
    return nil
  } catch { return "\(error)" }
}
