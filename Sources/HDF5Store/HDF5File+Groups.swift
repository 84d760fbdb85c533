internal import CHDF5

extension HDF5File {
  /// Whether the file has a group or dataset of this name.
  public func exists(_ name: String) throws -> Bool {
    try access(name, "look up", writing: false) { file, name, place in try exists(name, file, place) }
  }

  /// The names in a group, without their path, in the order they were made, or of the alphabet in files that don't keep it.
  public func children(of group: String = "/") throws -> [String] {
    try access(group, "list", writing: false) { file, group, place in
      guard try exists(group, file, place) else { throw place.error("there is no such group") }
      return try place.with(H5Gopen2(file, group, chdf5_default()), close: H5Gclose) { handle in
        var info = H5G_info_t()
        try place.check(H5Gget_info(handle, &info))
        let hasOrder = try place.with(H5Gget_create_plist(handle), close: H5Pclose) { list in
          var flags: UInt32 = 0
          try place.check(H5Pget_link_creation_order(list, &flags))
          return flags != 0
        }
        let index = hasOrder ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME
        return try (0..<info.nlinks).map { number in
          let length = try place.check(
            H5Lget_name_by_idx(handle, ".", index, H5_ITER_INC, number, nil, 0, chdf5_default()))
          var text = [CChar](repeating: 0, count: length + 1)
          try place.check(
            H5Lget_name_by_idx(handle, ".", index, H5_ITER_INC, number, &text, text.count, chdf5_default()))
          return String(decoding: text.prefix(length).map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
      }
    }
  }

  /// Makes the group of this canonical name and those above it.
  func makeGroups(_ name: String, _ file: hid_t, _ place: Place) throws {
    var path = ""
    for part in name.split(separator: "/") {
      path += "/" + part
      if try exists(path, file, place) { continue }
      try place.with(chdf5_new_link_creation(), close: H5Pclose) { link in
        try place.with(chdf5_new_group_creation(), close: H5Pclose) { creation in
          let group = H5Gcreate2(file, path, link, creation, chdf5_default())
          try place.with(group, close: H5Gclose) { _ in }
        }
      }
    }
  }

  /// The canonical name of the group that an object is in.
  func parent(of name: String) -> String { "/" + name.split(separator: "/").dropLast().joined(separator: "/") }
}
