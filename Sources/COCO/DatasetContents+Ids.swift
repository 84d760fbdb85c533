/// A record of a file's list.
protocol ListedRecord {
  var id: Int64 { get set }
  /// Its place in the list.
  var position: Int { get }
}

/// The records of a list whose id occurs earlier.
struct RepeatedIDs {
  /// The records of each id that several different records share, as indices.
  private(set) var ambiguous: [Int64: [Int]] = [:]
  /// The records that repeat the first one of their id, as indices.
  private(set) var repeats: [(at: Int, first: Int)] = []

  var isEmpty: Bool { ambiguous.isEmpty && repeats.isEmpty }

  init<Record: ListedRecord>(_ records: [Record], saysTheSame: (Record, Record) -> Bool) {
    var first: [Int64: Int] = [:]
    first.reserveCapacity(records.count)
    for at in records.indices {
      let id = records[at].id
      guard let earlier = first[id] else {
        first[id] = at
        continue
      }
      if saysTheSame(records[earlier], records[at]) {
        repeats.append((at, earlier))
      } else {
        ambiguous[id, default: [earlier]].append(at)
      }
    }
  }
}

extension DatasetContents {
  /// Makes ids unique, and leaves out annotations of no image. If different records share an id, it is ambiguous
  /// which of them is meant: none is used. A record that occurs twice is used once.
  mutating func resolveIDs() {
    let (bytes, needsPictures) = (bytes, needs.pictures)
    let all = images
    images = resolved(all, .image, "images") { a, b in
      !needsPictures || a.fileName == b.fileName && (a.size == b.size || a.size == nil || b.size == nil)
    }
    if images.count < all.count {
      let kept = Set(images.map(\.id))
      for image in all where !kept.contains(image.id) {
        lostImages[image.id] = "several images of the file have the id \(image.id): it is ambiguous which one is meant"
      }
    }
    categories = resolved(categories, .category, "categories") { $0.name == $1.name }
    leaveOutOrphans()
    let isNew = needs.newIDs
    annotations = resolved(annotations, .annotation, "annotations", givesNewIDs: isNew) { a, b in
      a.saysTheSame(as: b, in: bytes)
    }
  }

  private mutating func leaveOutOrphans() {
    let known = Set(images.map(\.id))
    guard annotations.contains(where: { !known.contains($0.imageID) }) else { return }
    let all = annotations
    annotations = []
    for annotation in all {
      guard !known.contains(annotation.imageID) else {
        annotations.append(annotation)
        continue
      }
      let problem =
        lostImages[annotation.imageID] ?? "there is no image with the id \(annotation.imageID) in the file"
      lose(
        .annotation, at: annotation.position, id: annotation.id,
        COCOError(jsonPath: "annotations[\(annotation.position)].image_id", problem: problem))
    }
  }

  /// - Returns: the records that are used.
  private mutating func resolved<Record: ListedRecord>(
    _ records: [Record], _ kind: RecordProblem.Kind, _ list: String, givesNewIDs: Bool = false,
    saysTheSame: (Record, Record) -> Bool
  ) -> [Record] {
    let found = RepeatedIDs(records, saysTheSame: saysTheSame)
    guard !found.isEmpty else { return records }
    var records = records
    var dropped = Set(found.repeats.map(\.at))
    func place(_ at: Int) -> String { "\(list)[\(records[at].position)]" }
    func report(_ at: Int, _ what: String, _ cost: RecordProblem.Cost) {
      let record = records[at]
      problems.add(
        RecordProblem(
          kind, at: record.position, id: record.id,
          COCOError(jsonPath: place(at) + ".id", problem: "the id \(record.id) is taken: \(what)"), cost: cost))
    }
    for (at, first) in found.repeats { report(at, "\(place(first)) is identical and is used", .nothing) }
    let most = records.lazy.map(\.id).max() ?? 0
    var next = most
    for places in found.ambiguous.sorted(by: { $0.key < $1.key }).map(\.value) {
      if givesNewIDs, most <= .max - Int64(records.count) {
        for at in places.dropFirst() {
          next += 1
          report(at, "\(place(places[0])) already has it; this one gets the id \(next)", .nothing)
          records[at].id = next
        }
      } else {
        for (index, at) in places.enumerated() {
          report(at, "\(place(places[index == 0 ? 1 : 0])) has it too, with different content", .record)
        }
        dropped.formUnion(places)
      }
    }
    return records.indices.filter { !dropped.contains($0) }.map { records[$0] }
  }
}

extension Annotation {
  /// Whether two records of a file, whose text is `bytes`, differ only in their place.
  fileprivate func saysTheSame(as other: Annotation, in bytes: [UInt8]) -> Bool {
    var moved = other
    moved.position = position
    moved.segmentation = segmentation
    guard self == moved else { return false }
    switch (segmentation, other.segmentation) {
    case (nil, nil): return true
    case (let a?, let b?): return bytes[a] == bytes[b]
    default: return false
    }
  }
}
