/// What captions call the objects of COCO's 80 categories.
///
/// Words of one group are interchangeable; words of different groups distinguish objects of one category ("man",
/// "woman"). A phrase that contains such a word but means something else has no category ("coffee table").
struct CategoryWords: Sendable {
  /// A phrase of the table as it occurs in a caption.
  struct Entry: Sendable {
    /// Several if the word is ambiguous ("bike").
    let categories: Set<String>
    /// The group within the category; nil for the group of the category's own name, which goes with all others.
    let sense: Int?
    let isPlural: Bool
    /// The singular; the phrase itself where it has none.
    let singular: String
  }

  /// The words of COCO's categories.
  static let coco = CategoryWords(table: table)

  /// The longest phrase of the table, in words.
  let longest: Int
  private let entries: [String: Entry]

  /// - Parameter table: groups of singular words by category, `|` between groups and `,` between words.
  init(table: [(category: String, groups: String)]) {
    var entries: [String: Entry] = [:]
    for (category, groups) in table {
      for (number, group) in groups.split(separator: "|").enumerated() {
        let words = group.split(separator: ",").map { $0.split(separator: " ").joined(separator: " ") }
        let sense = words.contains(category) ? nil : number
        for singular in words {
          let forms =
            Self.alwaysPlural.contains(singular)
            ? [(singular, true)] : [(singular, false), (Self.plural(of: singular), true)]
          for (form, isPlural) in forms {
            let known = entries[form]
            entries[form] = Entry(
              categories: (known?.categories ?? []).union(category.isEmpty ? [] : [category]), sense: sense,
              isPlural: known.map { $0.isPlural && isPlural } ?? isPlural, singular: singular)
          }
        }
      }
    }
    entries["cattle"] = entries["cows"]
    entries["glasses"] = nil  // these are spectacles as often
    self.entries = entries
    longest = entries.keys.map { $0.split(separator: " ").count }.max() ?? 1
  }

  /// - Parameter phrase: in lower case, with one space between words.
  subscript(phrase: String) -> Entry? { entries[phrase] }

  /// "a dog", "an apple", "a pair of scissors".
  static func indefinite(_ category: String) -> String {
    switch category {
    case "scissors", "skis": "a pair of \(category)"
    case "broccoli": "a piece of broccoli"
    default: Article.indefinite(before: category) + " " + category
    }
  }

  private static let alwaysPlural: Set<String> = ["scissors", "skis"]

  private static let irregularPlurals = [
    "man": "men", "woman": "women", "child": "children", "person": "people", "knife": "knives", "sheep": "sheep",
    "mouse": "mice", "goose": "geese", "calf": "calves", "ox": "oxen", "broccoli": "broccoli", "aircraft": "aircraft",
    "bison": "bison", "luggage": "luggage",
  ]

  static func plural(of phrase: String) -> String {
    let words = phrase.split(separator: " ").map(String.init)
    guard let last = words.last else { return phrase }
    return (words.dropLast() + [pluralOfWord(last)]).joined(separator: " ")
  }

  private static func pluralOfWord(_ word: String) -> String {
    if let plural = irregularPlurals[word] { return plural }
    for (ending, plural) in [("woman", "women"), ("man", "men")] where word.hasSuffix(ending) {
      return word.dropLast(ending.count) + plural
    }
    if ["s", "x", "z", "ch", "sh"].contains(where: word.hasSuffix) { return word + "es" }
    if word.hasSuffix("y"), let before = word.dropLast().last, !"aeiou".contains(before) {
      return word.dropLast() + "ies"
    }
    return word + "s"
  }

  private static let table: [(category: String, groups: String)] = [
    (
      "person",
      """
      man, guy, gentleman, male, businessman, fisherman, policeman, fireman, cowboy, groom, father, dad, grandfather \
      | woman, lady, female, bride, mother, mom, businesswoman, grandmother, cowgirl, waitress | boy, little boy \
      | girl, little girl | child, kid, baby, toddler, infant, little kid | person, individual, adult, player, skier, \
      snowboarder, surfer, skateboarder, skater, rider, pedestrian, worker, officer, chef, cook, batter, pitcher, catcher, \
      umpire, baseball player, tennis player, soccer player, bicyclist, cyclist, biker, motorcyclist, passenger, driver, \
      student, teenager, athlete, soldier, police officer, construction worker, vendor, swimmer, waiter, kite surfer, \
      motorcycle rider, horse rider
      """
    ),
    ("bicycle", "bicycle, bike, cycle, mountain bike, tricycle"),
    ("car", "car, automobile, sedan, taxi, taxi cab, suv, jeep, hatchback, station wagon, van, minivan, sports car"),
    ("motorcycle", "motorcycle, motorbike, bike, motor bike, motor cycle, scooter, moped, dirt bike, motor scooter"),
    (
      "airplane",
      "airplane, plane, aeroplane, aircraft, jet, airliner, jetliner, biplane, seaplane, jet plane, passenger jet, "
        + "fighter jet, passenger plane, jumbo jet, sea airplane"
    ),
    ("bus", "bus, minibus, city bus, school bus, tour bus, passenger bus, double decker bus, double decker"),
    (
      "train",
      "train, locomotive, passenger train, subway train, freight train, steam train, train engine, tram, trolley"
    ),
    (
      "truck",
      "truck, lorry, pickup, pickup truck, semi truck, fire truck, firetruck, dump truck, tow truck, food truck, van"
    ),
    (
      "boat",
      "boat, ship, sailboat, canoe, kayak, yacht, ferry, raft, gondola, rowboat, motorboat, speedboat, tugboat, barge, "
        + "sail boat, row boat, tug boat, speed boat, fishing boat, motor boat, ferry boat, house boat, houseboat"
    ),
    ("traffic light", "traffic light, traffic signal, stop light, stoplight, signal light, street signal"),
    ("fire hydrant", "fire hydrant, hydrant, fireplug"),
    ("stop sign", "stop sign"),
    ("parking meter", "parking meter, meter"),
    ("bench", "bench, park bench, wooden bench"),
    (
      "bird",
      "bird, canary | duck, duckling | goose, gosling | seagull, gull, sea gull | pigeon, dove | parrot, parakeet, "
        + "cockatiel | owl | eagle, hawk, falcon, vulture | swan | crow, raven | rooster, hen | peacock | flamingo | "
        + "ostrich | sparrow, robin, finch | penguin | pelican | heron, stork, egret | hummingbird"
    ),
    ("cat", "cat, kitten, kitty, feline, kitty cat, tabby cat, house cat"),
    (
      "dog",
      "dog, puppy, pup, canine, hound, puppy dog | poodle | bulldog | beagle | terrier | labrador | dachshund | corgi | "
        + "german shepherd | golden retriever, retriever | pug | husky | chihuahua"
    ),
    ("horse", "horse, pony | foal, colt | stallion | mare"),
    ("sheep", "sheep, ram, ewe | lamb"),
    ("cow", "cow, steer, longhorn, heifer | bull | calf | ox"),
    ("elephant", "elephant | baby elephant"),
    ("bear", "bear, grizzly, grizzly bear, brown bear | polar bear | black bear | bear cub, panda bear, panda"),
    ("zebra", "zebra | baby zebra"),
    ("giraffe", "giraffe | baby giraffe"),
    ("backpack", "backpack, back pack, knapsack, rucksack, bookbag, book bag, bag"),
    ("umbrella", "umbrella, parasol, beach umbrella"),
    ("handbag", "handbag, purse, hand bag, tote, tote bag, shoulder bag, pocketbook, bag"),
    ("tie", "tie, necktie, neck tie | bow tie, bowtie"),
    ("suitcase", "suitcase, suit case, briefcase, bag, piece of luggage, luggage bag"),
    ("frisbee", "frisbee, frisbie, disc, disk, frisbee disc"),
    ("skis", "skis, pair of skis"),
    ("snowboard", "snowboard, snow board, board"),
    ("sports ball", "ball, soccer ball, tennis ball, beach ball, baseball, basketball, volleyball, football, softball"),
    ("kite", "kite"),
    ("baseball bat", "baseball bat, bat"),
    ("baseball glove", "baseball glove, baseball mitt, glove, mitt, catchers mitt"),
    ("skateboard", "skateboard, skate board, longboard, board"),
    ("surfboard", "surfboard, surf board, board, paddle board, paddleboard, boogie board, body board, surfing board"),
    ("tennis racket", "tennis racket, racket, racquet, tennis racquet, raquet, tennis raquet"),
    ("bottle", "bottle, wine bottle, beer bottle, water bottle"),
    ("wine glass", "wine glass, wineglass, goblet, glass, glass of wine"),
    ("cup", "cup, mug, coffee cup, coffee mug, tea cup, teacup, tumbler, glass, cup of coffee, cup of tea, paper cup"),
    ("fork", "fork"),
    ("knife", "knife, butter knife, kitchen knife"),
    ("spoon", "spoon, wooden spoon"),
    ("bowl", "bowl, mixing bowl"),
    ("banana", "banana, bunch of bananas"),
    ("apple", "apple"),
    ("sandwich", "sandwich, burger, hamburger, cheeseburger, panini, sub sandwich"),
    ("orange", "orange, tangerine, clementine, mandarin"),
    ("broccoli", "broccoli, piece of broccoli, broccoli floret"),
    ("carrot", "carrot"),
    ("hot dog", "hot dog, hotdog, chili dog, corn dog, chili cheese dog"),
    ("pizza", "pizza, pizza pie, slice of pizza, pizza slice, cheese pizza"),
    ("donut", "donut, doughnut, glazed donut, chocolate donut"),
    (
      "cake",
      "cake, birthday cake, wedding cake, chocolate cake, cheesecake, layer cake, slice of cake, piece of cake | cupcake"
    ),
    (
      "chair",
      "chair, armchair, arm chair, recliner, lawn chair, rocking chair, office chair, high chair, highchair, desk chair"
    ),
    ("couch", "couch, sofa, loveseat, love seat, settee, futon, sectional"),
    ("potted plant", "potted plant, plant, houseplant, house plant, pot plant, planter"),
    ("bed", "bed, bunk bed, hospital bed"),
    (
      "dining table",
      "dining table, table, kitchen table, dinner table, dining room table, picnic table, dining room set"
    ),
    ("toilet", "toilet, commode, urinal, toilet bowl"),
    (
      "tv",
      "tv, television, television set, tv set, flat screen, flatscreen, flat screen tv, flat screen television, "
        + "tv screen, television screen, monitor, computer monitor, computer screen, computer"
    ),
    ("laptop", "laptop, laptop computer, notebook computer, macbook, computer"),
    ("mouse", "mouse, computer mouse, wireless mouse"),
    (
      "remote",
      "remote, remote control, controller, wii remote, wii controller, game controller, video game controller, wiimote, tv remote"
    ),
    ("keyboard", "keyboard, computer keyboard"),
    ("cell phone", "cell phone, cellphone, phone, smartphone, smart phone, mobile phone, iphone, cellular phone"),
    ("microwave", "microwave, microwave oven"),
    ("oven", "oven, stove, stove top oven, toaster oven"),
    ("toaster", "toaster"),
    ("sink", "sink, basin, wash basin, bathroom sink, kitchen sink, pedestal sink"),
    ("refrigerator", "refrigerator, fridge, freezer"),
    ("book", "book, textbook, novel"),
    ("clock", "clock, alarm clock, wall clock"),
    ("vase", "vase, flower vase, glass vase"),
    ("scissors", "scissors, pair of scissors"),
    ("teddy bear", "teddy bear, teddy, stuffed bear, stuffed teddy bear, stuffed animal, toy bear"),
    ("hair drier", "hair drier, hair dryer, hairdryer, hairdrier, blow dryer, blowdryer, blow drier"),
    ("toothbrush", "toothbrush, tooth brush"),
    (
      "",
      """
      coffee table, end table, side table, night table, bedside table, pool table, toy car, toy truck, toy train, toy dog, \
      stuffed dog, stuffed cat, rocking horse, carousel horse, sea horse, gummy bear, street light, flash light, phone booth, \
      water ski, book case, couch cushion, carrot cake, coffee pot, ping pong table, massage table, train table, flower bed, \
      truck bed, river bed, bird house, gingerbread man, banana tree, apple tree, orange tree, banana split, pizza box, \
      horse carriage, street sign, apple pie, cat food, dog food, computer desk, computer mouse pad, mouse pad, phone call, \
      wooden board, wood board, plastic bag, paper bag, trash bag, garbage bag, ice cream sandwich, crab cake, \
      rice cake, fish cake, pan cake, coffee cake, dutch oven, piano keyboard, glass of water, glass of milk, glass of juice, \
      glass of beer, snow man, sand man, subway car, \
      rail car, railroad car, railway car, passenger car, cable car, freight car, box car, trolley car, street car, train car, \
      dining car, metro car, tram car, stuffed mouse, mickey mouse, minnie mouse
      """
    ),
  ]
}
