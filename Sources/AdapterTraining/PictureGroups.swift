/// Which samples are of one picture.
struct PictureGroups {
  /// The group of each sample.
  let group: [Int]
  /// The samples of each group, ascending; the groups in the order of their first samples.
  let members: [[Int]]

  /// - Parameter sets: of samples, by the names of their pictures, one set behind the other; two sets never share a group.
  init(_ sets: [[String]]) {
    var group: [Int] = []
    var members: [[Int]] = []
    for names in sets {
      // Bytes, as the file system compares them.
      var places: [[UInt8]: Int] = [:]
      for name in names {
        let name = Array(name.utf8)
        let place = places[name] ?? members.count
        if place == members.count {
          places[name] = place
          members.append([])
        }
        members[place].append(group.count)
        group.append(place)
      }
    }
    (self.group, self.members) = (group, members)
  }
}
