/// The words before a noun that a description may keep.
///
/// A phrase keeps what is known here and nothing else: a word that isn't may be another noun, or a verb ("a narrow
/// street person"), and what stands before it is then not about the object.
enum ModifierWords {
  /// Before every noun.
  static let adjectives: Set<String> = CaptionWords.colours.union(
    words(
      """
      big large small little tiny huge tall short long wide narrow thin thick giant enormous massive oversized mini miniature \
      medium full-sized sized high low deep skinny slim slender fat chubby heavy light dark bright pale deep multicolored \
      multi-colored multicoloured colorful colourful rainbow neon metallic shiny glossy dull transparent clear opaque striped \
      spotted plaid checkered checked polka-dotted patterned plain floral furry fuzzy fluffy hairy shaggy woolly feathered \
      horned tusked long-haired short-haired white-haired curly bald bearded shirtless barefoot naked nude blonde blond \
      brunette redheaded elderly old older young new newborn aged adult teenage teen mature senior middle-aged vintage \
      antique ancient retro classic modern contemporary old-fashioned historic historical traditional rustic ornate fancy \
      elegant decorative decorated stylish simple beautiful pretty cute adorable handsome attractive lovely nice ugly scary \
      strange weird odd unusual unique funny silly happy sad angry smiling tired sleepy asleep awake alert calm curious lazy \
      playful wild tame domestic stray injured dead live alive hungry thirsty wet dry dirty clean muddy dusty snowy rusty \
      rusted worn broken damaged cracked abandoned empty full half-full open closed shut lit unlit round square rectangular \
      circular oval triangular flat curved straight pointed sharp soft hard fresh ripe unripe green-leafed leafy raw cooked \
      uncooked baked fried grilled toasted roasted frozen hot cold warm cool steaming sliced chopped peeled unpeeled cut \
      half-eaten eaten uneaten bitten grown whole half frosted iced glazed sprinkled powdered sugared stuffed cheesy spicy sweet sour \
      tasty delicious yummy gourmet homemade healthy fake real artificial plastic wooden wood metal steel stainless iron brass \
      copper bronze aluminum chrome glass crystal ceramic porcelain clay stone brick concrete marble granite tile leather \
      wicker bamboo rattan cloth fabric velvet suede paper cardboard rubber styrofoam electric electrical electronic digital \
      analog mechanical manual automatic portable wireless cordless motorized public private outdoor indoor industrial \
      commercial residential rural urban lone lonely single solitary individual solo busy crowded quiet parked tethered \
      saddled unmade made messy neat tidy cluttered cozy comfortable comfy luxurious expensive cheap fine good great perfect \
      elaborate intricate beautiful professional amateur american british english german french italian spanish japanese \
      chinese korean asian african indian european mexican canadian australian hawaiian swiss thai russian irish scottish \
      dutch greek turkish cuban brazilian western eastern oriental native foreign upholstered padded cushioned tufted folded \
      folding sectional reclining adjustable blurry blurred animated illuminated lighted reflective painted graffitied grassy \
      bare leafless majestic magnificent pregnant obese muscular athletic fit strong lean fast slow famous royal religious \
      cartoon toy model inflatable personal female male navy olive turquoise lavender violet magenta burgundy cream \
      ivory peach charcoal aqua cyan fuchsia crimson scarlet rust khaki camouflage camo sleek sporty customized custom \
      double-decker two-story two-tiered three-tiered two-tone multi-tiered
      """))

  /// Before these, an adjective: "very large", "brightly coloured", "light blue".
  static let degrees: Set<String> = ["very", "quite", "rather", "really"]

  /// Adjectives that choose one of several objects: the phrase is only true of the right one.
  static let comparing: Set<String> = words(
    """
    smaller smallest larger largest bigger biggest taller tallest shorter shortest longer longest wider widest narrower oldest \
    younger youngest newer newest thinner thicker fatter heavier lighter darker brighter closer closest nearest nearer \
    farther farthest further furthest higher highest lower lowest first second third fourth fifth last next final same other \
    another similar identical matching different opposite left right left-hand right-hand leftmost rightmost middle center \
    centre front back rear top bottom upper leading remaining only 1st 2nd 3rd 4th 5th
    """)

  /// What is said of several objects and not of each.
  static let collective: Set<String> = words(
    """
    various varied several different assorted similar identical matching mixed numerous multiple many miscellaneous diverse \
    paired stacked grouped clustered scattered lined piled bunched gathered assembled arranged organized related separate \
    adjacent neighboring differently
    """)

  /// What is measured, in front of its unit: "a two year old boy" is not "an old boy".
  static let measured: Set<String> = ["old", "tall", "long", "wide", "high", "deep", "thick", "large"]
  static let units: Set<String> = words(
    "year years yr month months week weeks day days foot feet ft inch inches meter meters mile miles story")

  /// Words in -ing, -ed and -ly that are neither participles nor adverbs.
  static let noParticiples: Set<String> = words(
    """
    building painting drawing ceiling evening morning wedding string king ring wing thing spring pudding sibling dressing \
    frosting icing railing clothing lightning outing something nothing anything everything bed red sled shed seed weed feed \
    speed united fly family jelly belly lily bully ally assembly reply supply italy july trolley dolly
    """)

  /// Adjectives of several parts: "long-haired", "dog-like", "five-year-old".
  static func isHyphenatedAdjective(_ word: String) -> Bool {
    let parts = word.split(separator: "-")
    guard parts.count >= 2, let last = parts.last.map(String.init) else { return false }
    if parts.allSatisfy({ adjectives.contains(String($0)) || $0 == "and" }) { return true }
    return last.count > 3 && last.hasSuffix("ed") || hyphenatedEnds.contains(last)
  }

  private static let hyphenatedEnds: Set<String> = words(
    """
    like style old eaten grown worn lit story storey tiered tier layer screen wheel wheeled decker piece color colour tone \
    burning fed
    """)

  /// Endings that only adjectives have.
  static func hasAdjectiveEnding(_ word: String) -> Bool {
    word.count > 5 && ["ish", "less", "ful", "ous"].contains(where: word.hasSuffix) && word != "radish"
  }

  /// Whether the noun may stand before the name of an object of these categories: "a city bus", "a ham sandwich".
  static func isAttribute(_ noun: String, of categories: Set<String>) -> Bool {
    categories.contains { category in
      attributes.contains { $0.categories.contains(category) && $0.nouns.contains(noun) }
    }
  }

  /// Categories that move by themselves: what they are doing may stand before their names ("a flying bird").
  static func moves(_ categories: Set<String>) -> Bool { !categories.isDisjoint(with: movers) }

  /// Nouns that are the names of other things too, unless what stands before them is known: "an ironing board", "a
  /// trolley car".
  static let vague: Set<String> = words(
    """
    board bat ball bag disc disk glass meter plant planter table bed mouse ram tie controller computer phone monitor \
    car bike cycle scooter jet cup glove mitt orange cook pitcher driver basin bull
    """)

  private static func words(_ text: String) -> Set<String> {
    Set(text.split { $0.isWhitespace }.map(String.init))
  }

  private static let vehicles: Set<String> = [
    "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
  ]
  private static let animals: Set<String> = [
    "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe",
  ]
  private static let movers = vehicles.union(animals).union(["person"])

  private static let attributes: [(categories: Set<String>, nouns: Set<String>)] = [
    (
      ["person"],
      words(
        """
        man woman boy girl lady baby child kid tennis baseball softball soccer football basketball volleyball hockey polo \
        rugby cricket golf business construction police military army navy ski surf skate motorcycle bicycle bike \
        college school olympic team
        """)
    ),
    (animals, words("baby mother father calf cub adult sheep guard police guide farm dairy race circus zoo sea")),
    (["bird"], words("water song baby prey tropical")),
    (["cat"], words("tabby calico tuxedo siamese persian tortoiseshell pet house")),
    (["dog"], words("pet sheep german shepherd golden labrador border collie poodle terrier bulldog husky puppy")),
    (["horse"], words("work draft show pinto clydesdale palomino appaloosa arabian")),
    (["cow"], words("jersey holstein angus highland")),
    (
      vehicles,
      words(
        """
        city passenger school tour transit commuter police delivery cargo freight military army airline steam diesel \
        sport sports race racing dirt mountain road touring cruise sail motor house row paddle pontoon ferry party garbage \
        trash utility dump tow food semi flatbed tractor moving fire bullet subway metro amtrak propeller fighter jumbo \
        double decker articulated articulating taxi luxury convertible compact pickup pick-up camper service work cement \
        construction rescue tug speed shuttle charter coach greyhound airplane jet prop rail railroad railway antique beach \
        motorized tandem
        """)
    ),
    (
      ["chair", "couch", "bed", "dining table", "bench"],
      words(
        """
        kitchen dining office desk computer patio lawn beach park garden picnic lounge deck restaurant cafe buffet hotel \
        hospital bunk canopy queen king twin double pedestal corner bar breakfast wall conference meeting dinner lunch card \
        display banquet barber dentist recliner swivel rocking folding stainless family room living metal size queen-size \
        king-size
        """)
    ),
    (
      ["bottle", "wine glass", "cup", "fork", "knife", "spoon", "bowl", "vase"],
      words(
        """
        coffee tea beer wine water soda pop milk juice soup salad cereal fruit mixing serving butter steak carving chef \
        kitchen dessert dinner flower champagne martini cocktail dog cat pet sugar measuring
        """)
    ),
    (
      ["pizza", "sandwich", "cake", "donut", "hot dog"],
      words(
        """
        pepperoni ham cheese chicken turkey sausage mushroom veggie vegetable tuna egg bacon beef pork tomato spinach \
        breakfast club deli deep dish pan thin crust chocolate vanilla strawberry lemon cherry apple cinnamon birthday wedding \
        layer sheet sugar cream maple jelly chili corn roast pineapple hawaiian steak fish lettuce meat submarine grilled \
        hashbrown
        """)
    ),
    (
      ["tv", "laptop", "mouse", "remote", "keyboard", "cell phone", "clock"],
      words(
        """
        computer laptop desktop flat screen lcd plasma wireless optical game gaming video remote wii nintendo xbox mobile smart flip \
        touch apple dell mac sony samsung nokia tv television alarm wall grandfather cuckoo roman numeral numerals street pocket
        """)
    ),
    (
      ["toilet", "sink", "oven", "refrigerator", "microwave", "toaster", "hair drier"],
      words(
        "kitchen bathroom gas restaurant hotel pedestal corner steel toaster convection wall counter top display double bath"
      )
    ),
    (
      [
        "frisbee", "skis", "snowboard", "sports ball", "kite", "baseball bat", "baseball glove", "skateboard",
        "surfboard",
        "tennis racket",
      ],
      words(
        "tennis baseball soccer basketball golf snow surf skate beach rugby cricket parachute dragon butterfly catchers"
      )
    ),
    (
      ["traffic light", "fire hydrant", "stop sign", "parking meter"],
      words("street traffic fire parking city water pedestrian road")
    ),
    (
      ["backpack", "umbrella", "handbag", "tie", "suitcase"],
      words("silk bow beach patio hand shoulder travel carry-on messenger hiking polka dot neck")
    ),
    (["teddy bear"], words("toy plush christmas")),
    (["book"], words("comic picture cook story library hardcover paperback")),
    (["potted plant"], words("house pot flower hanging")),
    (["banana", "apple", "orange", "broccoli", "carrot"], words("baby steamed")),
  ]
}
