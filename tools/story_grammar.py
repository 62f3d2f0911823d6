"""A grammar of little stories.

The demo model learns from text that nobody else wrote: this file is the only
source of it.  A story has a hero, a place, a want, a problem, an attempt, a
helper, a resolution and a moral.  All of them share one cast, so a name, a
pronoun or an object never changes halfway through.

The notation inside the sentences is small:

    [red|blue|]     one of the alternatives, possibly nothing; may nest
    {name}          a word from the cast or from the plot

Run the file alone to read a few stories:

    python tools/story_grammar.py 5
"""

import random
import re
import sys
from dataclasses import dataclass, field

MIN_WORDS = 60
MAX_WORDS = 180
KEEP_OPTIONAL = 0.4

# A name always belongs to one gender, which lets a small model tie the
# pronoun to the name alone.
GIRLS = ["Lily", "Mia", "Nora", "Ella", "Ruby", "Ivy", "Clara", "Rosa", "Anna",
         "Hazel", "Luna", "Maya", "Tilly", "Greta", "Wren", "Sofia", "Emma", "Sara", "Daisy", "Zoe"]
BOYS = ["Tom", "Ben", "Leo", "Sam", "Max", "Finn", "Oscar", "Hugo", "Theo",
        "Milo", "Jack", "Emil", "Otto", "Noah", "Arlo", "Felix", "Tim", "Peter",
        "Paul", "Henry"]
CHILD_SHARE = 0.55
ANIMALS = ["rabbit", "fox", "mouse", "bear", "hedgehog", "squirrel", "duck",
           "cat", "puppy", "badger", "otter", "frog", "dog", "pig", "pony", "dragon"]
TRAITS = ["little", "young", "small", "cheerful", "gentle", "curious", "quiet",
          "brave", "clever", "kind", "shy", "merry"]

PRONOUNS = {
    "f": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
    "m": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
}

PLACES = [
    {"place": "in a small village by the sea", "home": "village",
     "path": "along the beach", "wild": "the rocky shore"},
    {"place": "at the edge of a green forest", "home": "forest",
     "path": "under the tall trees", "wild": "the deep woods"},
    {"place": "on a sunny farm", "home": "farm",
     "path": "along the fence", "wild": "the far meadow"},
    {"place": "in a cozy house on a hill", "home": "hill",
     "path": "down the hill", "wild": "the windy valley"},
    {"place": "near a wide blue lake", "home": "lake",
     "path": "around the lake", "wild": "the tall reeds"},
    {"place": "in a busy little town", "home": "town",
     "path": "across the square", "wild": "the old park"},
    {"place": "in a valley between two mountains", "home": "valley",
     "path": "along the stream", "wild": "the steep hills"},
    {"place": "beside a slow river", "home": "river",
     "path": "along the river", "wild": "the misty marsh"},
]

FAMILY = [
    {"kin": "mother", "kin_he": "she", "kin_his": "her"},
    {"kin": "father", "kin_he": "he", "kin_his": "his"},
    {"kin": "grandmother", "kin_he": "she", "kin_his": "her"},
    {"kin": "grandfather", "kin_he": "he", "kin_his": "his"},
]

HELPERS = [
    ("wise old owl", "owl", "m"), ("slow old turtle", "turtle", "m"),
    ("friendly goose", "goose", "f"), ("tall gray heron", "heron", "m"),
    ("kind baker", "baker", "m"), ("old gardener", "gardener", "m"),
    ("cheerful miller", "miller", "m"), ("gentle shepherd", "shepherd", "f"),
    ("old sailor", "sailor", "m"), ("busy tailor", "tailor", "f"),
    ("patient donkey", "donkey", "m"), ("gentle cow", "cow", "f"),
    ("clever crow", "crow", "f"), ("old woman with a basket", "old woman", "f"),
    ("old man with a cane", "old man", "m"), ("white goat", "goat", "f"),
]

TREASURES = [
    {"thing": thing, "treasure": f"{look} {thing}"}
    for thing, looks in {
        "kite": ["red", "yellow", "blue"],
        "ball": ["red", "green", "striped"],
        "bell": ["silver", "tiny", "golden"],
        "scarf": ["blue", "woolen", "soft"],
        "drum": ["little", "wooden", "round"],
        "boat": ["toy", "wooden", "paper"],
        "hat": ["straw", "green", "purple"],
        "button": ["shiny", "brass", "golden"],
        "key": ["old", "silver", "tiny"],
        "lantern": ["paper", "brass", "little"],
        "flute": ["wooden", "silver", "little"],
        "book": ["blue", "picture", "little"],
    }.items()
    for look in looks
]

OPENINGS = [
    "once upon a time, there was a {trait} {kind} [named|called] {name}. {He} lived {place} with {his} {kin}.",
    "once upon a time, there was a {trait} {kind} [named|called] {name} who lived {place}.",
    "once upon a time, {place}, there lived a {trait} {kind} [named|called] {name}.",
    "once upon a time, a {trait} {kind} [named|called] {name} lived {place}.",
    "once upon a time, there was a {trait} {kind}. {His} name was {name}, and {he} lived {place}.",
    "one day, a {trait} {kind} named {name} [woke up early|went for a walk {path}|looked out of the window]. {name} lived {place} with {his} {kin}.",
    "in a small village, there lived a {trait} {kind} [named|called] {name}. {He} shared a [tiny|cozy|warm] house with {his} {kin}.",
    "long ago, {place}, there lived a {trait} {kind} [named|called] {name}.",
    "there once was a {trait} {kind} [named|called] {name}. {He} lived {place} with {his} {kin}.",
    "{name} was a {trait} {kind} who lived {place} with {his} {kin}.",
    "far away, {place}, a {trait} {kind} [named|called] {name} had a [tiny|cozy|warm] little home.",
    "there was a {trait} {kind} whose name was {name}. {He} lived {place}.",
]

HABITS = [
    "{name} loved to [play outside|sing in the morning|look at the clouds|listen to stories|pick flowers|climb on big stones].",
    "Every morning, {he} [walked {path}|said hello to the birds|sang a little song|ate warm bread with honey].",
    "Everyone liked {name} because {he} was always [kind|friendly|polite|ready to help].",
    "{His} {kin} often said, \"{name}, you have a [good heart|bright mind|warm smile].\"",
]

CLOSINGS = [
    "From that day on, {closing}.",
    "After that day, {closing}.",
    "And ever since, {closing}.",
]

PEACE = [
    "{name} was [very |so |]happy.",
    "That night, {name} slept [well|very well|deeply] and dreamed of [stars|the sea|tomorrow|sunny days].",
    "{His} {kin} was very proud of {him}.",
    "They all laughed and had [warm soup|hot tea|cake|bread and honey] together.",
]

MORAL_LEADS = [
    "{name} learned that", "{name} had learned that", "That day, {name} learned that",
    "Now {name} knew that", "And so {name} found out that",
]

MORALS = {
    "help": ["it is [good|wise|all right] to ask for help", "a problem is smaller when you ask for help",
             "good friends are happy to help"],
    "share": ["sharing makes everything [better|sweeter]", "joy grows when you share it",
              "a thing is more fun when it is shared"],
    "practice": ["practice makes hard things easy", "you must not give up when something is hard",
                 "every small try makes you better"],
    "courage": ["being brave means trying even when you are afraid",
                "many scary things are not scary up close", "a little courage goes a long way"],
    "honesty": ["it is always best to tell the truth", "the truth makes a heavy heart light",
                "an honest word can mend many things"],
    "patience": ["good things take time", "it is worth waiting for good things",
                 "patience is a quiet kind of strength"],
    "kindness": ["kindness always comes back", "even a small act of kindness matters",
                 "a kind heart is never alone"],
    "together": ["many small hands can do a big job", "together we can do great things",
                 "hard work is easy when everyone helps"],
    "love": ["the best gifts come from the heart", "love matters more than gold",
             "a gift made with love is the best gift of all"],
    "calm": ["it helps to stay calm and think", "a calm mind finds the way",
             "a quiet moment can show you what to do"],
}


@dataclass
class Plot:
    """One kind of story.

    `rows` holds lists of word groups that belong together: one group is drawn
    from each list.  `beats` is the story line; each beat offers several ways
    to tell it, and the story also works without the `optional` ones.
    """

    moral: str
    beats: list
    closings: list
    rows: list = field(default_factory=list)
    optional: tuple = ()


LOST_TREASURE = Plot(
    moral="help",
    optional=(2, 3, 7),
    rows=[TREASURES, [
        {"lost": "under a bench", "clue": "you sat down to rest"},
        {"lost": "in the tall grass", "clue": "you ran through the grass"},
        {"lost": "beside the well", "clue": "you stopped to drink"},
        {"lost": "behind the barn", "clue": "you played near the barn"},
        {"lost": "under a bush", "clue": "you picked berries"},
    ]],
    beats=[
        ["{name} had a {treasure}. It was a gift from {his} {kin}, and {he} took it everywhere.",
         "{name} loved {his} {treasure} more than anything. {His} {kin} had [made|found] it for {him}.",
         "For {his} birthday, {name} got a {treasure}. {He} [carried it|played with it] every day."],
        ["One [morning|afternoon|day], {name} [reached for|looked for] the {thing}, but it was gone!",
         "One [windy|sunny|cloudy] day, {he} came home and saw that the {thing} was [gone|missing]."],
        ["\"Oh no! Where is my {thing}?\" [cried|asked] {name}.",
         "\"My {thing} is lost!\" {he} [cried|said], and a tear ran down {his} cheek."],
        ["{He} looked under the bed and behind the door, but the {thing} was not there.",
         "{He} searched [the whole house|every corner|all over the {home}], but {he} could not find it."],
        ["Then {name} met {a_helper}. \"Why are you so sad?\" asked the {helper}. \"I lost my {thing},\" said {name}.",
         "Just then, {a_helper} came by. \"What is wrong?\" asked the {helper}. {name} told {h_him} about the {thing}."],
        ["\"Let us think,\" said the {helper}. \"Where were you today?\" {name} thought about it. \"Maybe it fell when {clue},\" said the {helper}.",
         "The {helper} thought for a moment. \"Did you look in the place where {clue}?\" {h_he} asked."],
        ["They went back together, and there it was! The {treasure} was lying {lost}.",
         "{name} ran back to look. {lost_cap}, {he} saw the {treasure}!"],
        ["\"Thank you!\" said {name}, and {he} hugged the {helper}.",
         "{name} held the {thing} close and thanked the {helper}.",
         "\"I found it! Thank you so much!\" {name} [called|cried|said]."],
    ],
    closings=["{name} took good care of the {thing}", "{name} always kept the {thing} in a safe place",
              "{name} and the {helper} were good friends"],
)

STUCK_IN_TREE = Plot(
    moral="help",
    optional=(2, 7),
    rows=[[
        {"thing": "kite", "treasure": "red kite", "fly": "The wind pulled the kite"},
        {"thing": "kite", "treasure": "yellow kite", "fly": "A strong wind took the kite"},
        {"thing": "ball", "treasure": "green ball", "fly": "{name} threw the ball too high"},
        {"thing": "hat", "treasure": "straw hat", "fly": "A gust of wind took the hat"},
        {"thing": "toy bird", "treasure": "little toy bird", "fly": "{name} threw the toy bird too high"},
    ], [
        {"tree": "apple tree"}, {"tree": "oak tree"}, {"tree": "pine tree"}, {"tree": "cherry tree"},
    ], [
        {"tool": "a long ladder", "use": "climbed up the ladder"},
        {"tool": "a long stick", "use": "pushed it with the stick"},
        {"tool": "a strong rope", "use": "shook the branch with the rope"},
    ]],
    beats=[
        ["One [bright|windy|sunny] day, {name} took {his} {treasure} outside to play.",
         "{name} had a new {treasure} and wanted to play with it all day."],
        ["{fly}, and it got stuck high up in {a_tree}.",
         "{fly}, and it landed at the top of {a_tree}."],
        ["\"Oh no, my {thing}!\" cried {name}.", "\"Come down, {thing}!\" called {name}, but it did not move."],
        ["{He} jumped as high as {he} could, but {he} could not reach it. {He} tried to climb, but the branches were too [high|thin].",
         "First {he} jumped. Then {he} tried to climb the {tree}. But the {thing} was too high."],
        ["{friend} the {f_kind} saw {him} and came running. \"Do not worry, {name}. I will help you,\" said {friend}.",
         "{His} friend {friend} the {f_kind} came by. \"Can you help me?\" asked {name}. \"Of course I can!\" said {friend}."],
        ["{friend} went home and came back with {tool}. {name} watched from below, and {friend} {use}.",
         "Together they found {tool}. {name} stood below, and {friend} {use}."],
        ["Down came the {thing}, right into {name_s} arms!", "At last, the {thing} fell softly to the ground."],
        ["\"Thank you, {friend}!\" said {name}. \"Now let us play together.\"",
         "{name} laughed and clapped. \"You are a true friend!\" {he} said."],
    ],
    closings=["{name} and {friend} played together every day",
              "{name} played far away from the {tree}"],
)

BAKING = Plot(
    moral="share",
    optional=(2,),
    rows=[[
        {"dish": "an apple pie", "food": "pie", "lack": "apples", "source": "a tree full of apples"},
        {"dish": "a honey cake", "food": "cake", "lack": "honey", "source": "a big jar of honey"},
        {"dish": "a loaf of bread", "food": "bread", "lack": "flour", "source": "a full sack of flour"},
        {"dish": "a pot of carrot soup", "food": "soup", "lack": "carrots", "source": "a garden full of carrots"},
        {"dish": "a berry tart", "food": "tart", "lack": "berries", "source": "a basket of sweet berries"},
        {"dish": "an omelet", "food": "omelet", "lack": "eggs", "source": "a basket of fresh eggs"},
    ]],
    beats=[
        ["One [cold|rainy|gray] day, {name} wanted to make {dish} for {his} {kin}.",
         "It was a special day, and {name} wanted to surprise {his} {kin} with {dish}."],
        ["{He} opened the cupboard, but there was nothing left inside. {He} had no {lack}." ,
         "{He} looked on every shelf, but {he} could not find any {lack}."],
        ["\"How can I make {dish} without {lack}?\" [sighed|asked|said] {name}.",
         "\"Oh dear, I need {lack}!\" said {name}."],
        ["{He} tried to make it without {lack}, but it tasted [strange|very bad|like mud].",
         "{He} went to the shop, but the shop was closed."],
        ["On the way, {he} met {a_helper}. The {helper} had {source}.",
         "Then {name} went to see {a_helper} who had {source}."],
        ["\"Please, may I have some {lack}?\" asked {name}. \"Of course,\" said the {helper}. \"Take what you need.\"",
         "\"You may have some {lack},\" said the {helper}, \"if you help me carry this basket.\" {name} helped gladly."],
        ["{name} ran home and [mixed and stirred|worked hard|cooked] until the {food} was ready. The whole house smelled [wonderful|sweet|so good].",
         "Back at home, {name} made the {food} with great care. It smelled [wonderful|delicious]!"],
        ["{His} {kin} took a bite and smiled. \"This is the best {food} I ever tasted!\" {kin_he} said. Then {name} took some of it to the {helper}, too.",
         "{name} gave the first taste to {his} {kin} and the second to the {helper}. Everyone wanted more."],
    ],
    closings=["{name} and the {helper} cooked together every week",
              "{name} always made enough to share"],
)

HUNGRY_STRANGER = Plot(
    moral="kindness",
    optional=(2, 7),
    rows=[[
        {"snack": "a warm bun", "bite": "bun"}, {"snack": "a red apple", "bite": "apple"},
        {"snack": "a piece of cheese", "bite": "cheese"}, {"snack": "a big cookie", "bite": "cookie"},
        {"snack": "a sweet pear", "bite": "pear"}, {"snack": "a slice of bread", "bite": "bread"},
    ], [
        {"trouble": "it began to rain hard", "rescue": "let {him} hide under a big umbrella and walked {him} home"},
        {"trouble": "{name} got lost in the fog", "rescue": "showed {him} the way home"},
        {"trouble": "{name} fell into a muddy hole", "rescue": "pulled {him} out with a rope"},
        {"trouble": "{name} could not cross the stream", "rescue": "carried {him} safely to the other side"},
    ]],
    beats=[
        ["One [morning|day], {name} went out {path} with {snack} for lunch.",
         "One day, {his} {kin} gave {him} {snack}, and {name} went {path}."],
        ["Soon {he} met {a_helper} sitting by the road. The {helper} looked [tired|sad|cold] and hungry.",
         "On the way, {he} saw {a_helper} resting on a stone. The {helper} was very hungry."],
        ["\"I have not eaten all day,\" said the {helper}.",
         "\"Do you have something to eat?\" asked the {helper} in a soft voice."],
        ["{name} was hungry, too. {He} looked at the {bite} for a long time. Then {he} smiled and broke it in two.",
         "{name} wanted the {bite} for {himself}. But {he} felt sorry for the {helper}, so {he} gave {h_him} half."],
        ["\"Thank you, little friend,\" said the {helper}. \"I will not forget this.\"",
         "The {helper} ate it all up. \"You are very kind,\" {h_he} said."],
        ["Later that day, {trouble}. It was [cold|late|getting dark], and {he} did not know what to do.",
         "A few days later, {trouble}. \"Help!\" called {name}."],
        ["Who came then? It was the {helper}! {H_he} {rescue}.",
         "The {helper} heard {him} and came at once. {H_he} {rescue}."],
        ["\"You helped me, and now I help you,\" said the {helper}.",
         "\"Thank you!\" said {name}. \"You shared with me when I was hungry,\" said the {helper}."],
    ],
    closings=["{name} always took some extra food for a new friend",
              "{name} and the {helper} had lunch together every day"],
)

LEARNING = Plot(
    moral="practice",
    optional=(2, 3),
    rows=[[
        {"skill": "swim", "doing": "swimming", "fail": "{he} swallowed a lot of water", "tip": "Kick slowly and breathe", "win": "swam all the way across the pond"},
        {"skill": "whistle", "doing": "whistling", "fail": "only air came out", "tip": "Make a small round mouth and blow softly", "win": "whistled a whole song"},
        {"skill": "dance", "doing": "dancing", "fail": "{he} tripped and fell down", "tip": "Listen to the music and count to three", "win": "danced all around the room"},
        {"skill": "paint", "doing": "painting", "fail": "the picture was one big brown spot", "tip": "Use one color at a time and wait for it to dry", "win": "painted a bright picture of the {home}"},
        {"skill": "skate", "doing": "skating", "fail": "{he} slipped on the ice", "tip": "Bend your knees and look ahead", "win": "skated across the ice like a bird"},
        {"skill": "sing", "doing": "singing", "fail": "{his} voice sounded like a rusty door", "tip": "Stand up tall and breathe deeply", "win": "sang a sweet song for everyone"},
        {"skill": "juggle", "doing": "juggling", "fail": "all the balls fell on {his} head", "tip": "Start with one ball, then take two", "win": "juggled three balls at once"},
        {"skill": "play the drum", "doing": "drumming", "fail": "it was just a lot of noise", "tip": "Feel the beat and go slowly", "win": "played a fine march for everyone"},
    ]],
    beats=[
        ["More than anything, {name} wanted to learn to {skill}.",
         "{name} had one big wish. {He} wanted to {skill}.",
         "One day, {name} saw {friend} the {f_kind} {doing} and wanted to {skill}, too."],
        ["{He} tried the next morning, but {fail}.", "The first time {he} tried, {fail}."],
        ["{He} tried again and again, but it did not [work|get better].",
         "{He} tried once more, but it was no better."],
        ["\"I will never learn to {skill}!\" {he} [cried|said|sighed].",
         "\"This is too hard for me,\" said {name} and sat down [sadly|on the ground]."],
        ["{A_helper} heard {him} and came closer. \"I could not {skill} at first,\" said the {helper}. \"I learned it step by step.\"",
         "Then {a_helper} came by. \"Do not give up,\" said the {helper}. \"I will teach you.\""],
        ["\"{tip},\" said the {helper}, and {h_he} showed {him} how. {name} practiced every day.",
         "The {helper} showed {him} a trick. \"{tip},\" {h_he} said. So {name} tried it slowly, every single day."],
        ["After [one week|many days|a few weeks], {name} {win}!",
         "Then one fine day, it worked. {name} {win}!"],
        ["\"I can do it!\" {he} [shouted|laughed|cried]. The {helper} clapped and smiled.",
         "\"You did it!\" said the {helper}. {name} beamed with joy."],
    ],
    closings=["{name} loved {doing} more than ever", "{name} helped others learn to {skill}, too",
              "{name} never said that something was too hard"],
)

NIGHT_NOISE = Plot(
    moral="courage",
    optional=(2, 3),
    rows=[[
        {"noise": "a strange tapping sound", "maker": "a tiny bird", "why": "was tapping on the window to get out of the cold", "it": "bird"},
        {"noise": "a soft scratching sound", "maker": "a little kitten", "why": "was locked out and scratched at the door", "it": "kitten"},
        {"noise": "a long sad howl", "maker": "a lost puppy", "why": "was looking for its home", "it": "puppy"},
        {"noise": "a loud rustling sound", "maker": "a small hedgehog", "why": "was stuck in a paper bag", "it": "hedgehog"},
        {"noise": "a quiet crying sound", "maker": "a baby lamb", "why": "could not find its mother", "it": "lamb"},
    ], [
        {"light": "a candle"}, {"light": "a lantern"}, {"light": "a small lamp"},
    ]],
    beats=[
        ["But {name} was afraid of the dark. {He} wanted to be brave, but at night {he} hid under the blanket.",
         "{name} wanted to be brave, but {he} was afraid of one thing, and that was the dark."],
        ["One [stormy|dark|cold] night, {he} heard {noise}. {His} heart beat [fast|like a drum].",
         "One night, when the moon was hidden, {noise} woke {him} up."],
        ["\"Is it a monster?\" whispered {name}.", "\"Who is there?\" asked {name}, but nobody answered."],
        ["{He} closed {his} eyes tight, but the sound did not stop.",
         "{He} pulled the blanket over {his} head, but {he} could still hear it."],
        ["{His} {kin} came in with {light}. \"Let us look together,\" {kin_he} said. \"Things are less scary in the light.\"",
         "{He} called {his} {kin}, and {kin_he} came with {light}. \"I am here with you,\" {kin_he} said."],
        ["{name} took a deep breath and held up the light. Step by step, {he} walked to the door and opened it.",
         "{name} was still shaking, but {he} took the light in {his} hand and went to look."],
        ["It was not a monster at all. It was only {maker}! The {it} {why}.",
         "And what did {he} see? It was {maker}! The poor {it} {why}."],
        ["{name} laughed and brought the {it} inside. {He} gave it some warm milk and a soft bed.",
         "\"Do not be afraid, little {it},\" said {name}. {He} kept it warm until morning."],
    ],
    closings=["{name} was not afraid of the dark", "the {it} came to visit {name} every night"],
)

BROKEN_THING = Plot(
    moral="honesty",
    optional=(7,),
    rows=[[
        {"thing": "vase", "treasure": "blue vase", "mend": "glued the pieces together"},
        {"thing": "cup", "treasure": "favorite cup", "mend": "glued the handle back on"},
        {"thing": "clock", "treasure": "old clock", "mend": "put all the little wheels back"},
        {"thing": "window", "treasure": "kitchen window", "mend": "put in a new piece of glass"},
        {"thing": "lamp", "treasure": "pretty lamp", "mend": "fixed it with wire and glue"},
        {"thing": "chair", "treasure": "wooden chair", "mend": "made a new leg for it"},
    ], [
        {"cause": "playing with a ball"}, {"cause": "running around the room"},
        {"cause": "dancing with a broom"}, {"cause": "chasing a fly"},
    ]],
    beats=[
        ["One [rainy|quiet|cold] day, {name} wanted to play inside. {He} was {cause} when, crash! The {treasure} was broken.",
         "One day, {name} was {cause} and did not look out. Crash! {He} broke the {treasure}."],
        ["It belonged to {his} {kin}. \"Oh no,\" whispered {name}. \"What will {kin_he} say?\"",
         "The {thing} belonged to {his} {kin}, and {name} felt [very bad|terrible]."],
        ["{He} wanted to hide the {thing} and say nothing. {He} tried to [cover it with a cloth|push it under the table], but {he} felt worse and worse.",
         "First, {name} hid the {thing} behind a box. But {his} tummy hurt, and {he} could not play any more."],
        ["{He} told {his} friend {friend} about it. \"You should tell the truth,\" said {friend}. \"I will come with you.\"",
         "{friend} the {f_kind} saw {his} sad face. \"What did you do?\" asked {friend}. {name} told the whole story. \"Go and say you are sorry,\" said {friend}."],
        ["So {name} went to {his} {kin}. \"I broke the {thing}. I am so sorry,\" {he} said.",
         "With a beating heart, {name} said to {his} {kin}, \"It was me. I broke your {thing}, and I am sorry.\""],
        ["{His} {kin} was quiet for a moment. Then {kin_he} smiled. \"Thank you for telling me the truth,\" {kin_he} said.",
         "{His} {kin} looked at the {thing} and then at {name}. \"I am sad about the {thing},\" {kin_he} said, \"but I am proud of you.\""],
        ["Together they {mend}. In the end, the {thing} was almost as good as new.",
         "They sat down at the table and {mend}. {name} helped as well as {he} could."],
        ["{name} felt light and happy again.", "Now {name_s} tummy did not hurt any more."],
    ],
    closings=["{name} was careful in the house",
              "{name} always told {his} {kin} the truth"],
)

QUARREL = Plot(
    moral="share",
    optional=(2,),
    rows=[[
        {"thing": "swing", "treasure": "new swing", "turn": "One of us swings, and the other one pushes"},
        {"thing": "sled", "treasure": "red sled", "turn": "We can both sit on it, one in front and one behind"},
        {"thing": "wagon", "treasure": "little wagon", "turn": "One of us rides, and the other one pulls"},
        {"thing": "drum", "treasure": "big drum", "turn": "One of us plays, and the other one sings"},
        {"thing": "boat", "treasure": "wooden boat", "turn": "One of us rows, and the other one steers"},
        {"thing": "book", "treasure": "picture book", "turn": "One of us reads, and the other one turns the pages"},
    ]],
    beats=[
        ["One day, {name} and {his} friend {friend} the {f_kind} found a {treasure}.",
         "One [sunny|fine|bright] day, {name} and {friend} the {f_kind} saw a {treasure} on their walk {path}."],
        ["\"It is mine!\" said {name}. \"No, I saw it first!\" said {friend}.",
         "Both of them wanted the {thing}. \"Give it to me!\" cried {name}. \"No, it is my turn!\" cried {friend}."],
        ["They pulled and pushed, and soon they were both [angry|crying|red in the face].",
         "They pulled so hard that both of them fell into the mud."],
        ["{name} walked away and sat under a tree. {He} had no one to play with, and it was not fun at all.",
         "{friend} went home. {name} had the {thing} now, but playing alone was [boring|sad|no fun]."],
        ["{A_helper} asked, \"Why are you so sad?\" {name} told {h_him} about the {thing} and the fight.",
         "Along came {a_helper}. \"You look sad,\" said the {helper}. \"I had a fight with {friend} about the {thing},\" said {name}."],
        ["\"What is better, a {thing} or a friend?\" asked the {helper}. {name} knew the answer at once.",
         "\"A {thing} cannot laugh with you,\" said the {helper}, \"but a friend can.\""],
        ["{name} ran to {friend}. \"I am sorry,\" {he} said. \"Let us share. {turn}.\"",
         "So {name} went to find {friend}. \"I am sorry, {friend}. I have an idea. {turn},\" {he} said."],
        ["{friend} smiled. \"I am sorry, too,\" {f_he} said. They played with the {thing} until the sun went down.",
         "\"What a good idea!\" said {friend}. They laughed and played all day long."],
    ],
    closings=["{name} and {friend} shared the {thing}", "{name} and {friend} never had a fight about a {thing} again"],
)

GARDEN = Plot(
    moral="patience",
    optional=(2, 7),
    rows=[[
        {"seed": "sunflower", "crop": "a tall sunflower", "plant": "sunflower"},
        {"seed": "pumpkin", "crop": "a big round pumpkin", "plant": "pumpkin"},
        {"seed": "bean", "crop": "a bean plant as high as the roof", "plant": "bean plant"},
        {"seed": "melon", "crop": "a sweet green melon", "plant": "melon"},
        {"seed": "rose", "crop": "a beautiful red rose", "plant": "rose"},
        {"seed": "apple", "crop": "a fine little apple tree", "plant": "apple tree"},
    ]],
    beats=[
        ["One spring day, {name} found a {seed} seed. {He} wanted to grow {crop}.",
         "{His} {kin} gave {him} a {seed} seed. \"I want to grow {crop}!\" said {name}."],
        ["{He} dug a hole, put the seed in, and sat down to wait. But nothing [happened|came up].",
         "{He} planted the {seed} seed in the garden. The next day, {he} looked, but there was nothing to see."],
        ["\"Grow, little seed!\" {he} said, but the ground stayed [brown|bare|quiet].",
         "\"Why does it not grow?\" asked {name}."],
        ["{He} sang to it and danced around it. {He} even wanted to dig it up again.",
         "After three days, {he} was so tired of waiting that {he} wanted to dig it up."],
        ["\"Wait!\" said {a_helper}. \"A seed needs water, sun and time.\"",
         "{A_helper} saw {him} and said, \"Do not dig it up. Give it water, sun and time.\""],
        ["So {name} gave it a little water every morning. {He} pulled out the weeds and waited.",
         "{name} listened to the {helper}. Every day, {he} brought water, and every day, {he} waited."],
        ["One morning, a tiny green leaf came out of the ground! It grew and grew, and by the end of summer there was {crop}.",
         "Then, after a warm rain, a small green leaf came up. Week after week it grew, until it was {crop}."],
        ["\"Look!\" called {name}. The {helper} came and smiled. \"You took good care of it,\" {h_he} said.",
         "{name} showed it to the {helper}. \"It was worth the wait,\" {he} said."],
    ],
    closings=["{name} planted a new seed every spring", "{name} had the best garden in the {home}"],
)

LOST_BABY = Plot(
    moral="kindness",
    optional=(2, 5),
    rows=[[
        {"baby": "duckling", "parent": "duck", "call": "Peep, peep", "den": "in the reeds by the pond"},
        {"baby": "kitten", "parent": "cat", "call": "Meow, meow", "den": "in the warm barn"},
        {"baby": "lamb", "parent": "sheep", "call": "Baa, baa", "den": "on the other side of the hill"},
        {"baby": "chick", "parent": "hen", "call": "Cheep, cheep", "den": "in the little hen house"},
        {"baby": "owlet", "parent": "owl", "call": "Hoo, hoo", "den": "in the hollow tree"},
    ], [
        {"sign": "fresh tracks in the mud"}, {"sign": "small marks in the sand"},
        {"sign": "a trail across the wet grass"},
    ]],
    beats=[
        ["One day, {name} heard a small voice near {wild}. \"{call}!\" it said.",
         "One [morning|evening], {name} was walking {path} when {he} heard a tiny cry. \"{call}!\""],
        ["Behind a stone sat a little {baby}. It was all alone.",
         "It was a little {baby}, wet and cold. It had lost its mother."],
        ["\"Poor {baby}! I want to bring you home,\" said {name}.",
         "\"Do not cry. I will find your mother,\" said {name}."],
        ["{He} took the {baby} in {his} arms and looked everywhere, but {he} could not find the mother.",
         "{He} looked to the left and to the right. {He} called loudly, but no one answered."],
        ["Then {he} met {a_helper}. \"Did you see a mother {parent}?\" asked {name}. \"I saw {sign},\" said the {helper}. \"Come with me.\"",
         "{name} asked {a_helper} for help. \"I know a mother {parent} who lives {den},\" said the {helper}. \"Let us go there.\""],
        ["They walked and walked until the sun was low. {name} kept the {baby} warm the whole way.",
         "They went on together, and {name} told the {baby} a story so that it was not afraid."],
        ["At last they found the mother {parent} {den}. \"My baby!\" she cried.",
         "There, {den}, was the mother {parent}. She had been looking for her {baby} all day."],
        ["The {baby} ran to her and was happy again. \"How can I thank you?\" asked the mother {parent}. \"Just let us be friends,\" said {name}.",
         "The {baby} cuddled up to its mother. {name} waved goodbye to them and felt warm inside."],
    ],
    closings=["{name} often visited the little {baby}", "the {baby} said hello to {name} every morning"],
)

BRIDGE = Plot(
    moral="together",
    optional=(7,),
    rows=[[
        {"work": "bridge", "harm": "A big storm broke the old bridge", "need": "Nobody could cross the water", "part": "one long board"},
        {"work": "wall", "harm": "A strong wind knocked down the garden wall", "need": "The goats ate all the cabbage", "part": "one heavy stone"},
        {"work": "roof", "harm": "A storm blew away the roof of the school", "need": "The rain fell on all the books", "part": "one heavy beam"},
        {"work": "road", "harm": "The heavy rain washed away the road", "need": "No cart could bring food to the market", "part": "one big rock"},
    ], [
        {"first": "The baker brought bread for the workers", "second": "the mice carried the nails"},
        {"first": "The smith brought his tools", "second": "the birds carried the ropes"},
        {"first": "The farmer brought his strong horse", "second": "the children carried small stones"},
    ]],
    beats=[
        ["{harm}. {need}, and everyone was [sad|worried|upset].",
         "One night, something bad happened. {harm}. {need}."],
        ["{name} wanted to fix the {work}. \"I will do it all by myself,\" {he} said.",
         "\"I want to build the {work} again,\" said {name}, and {he} went to work alone."],
        ["{He} pulled and pushed {part}, but it was much too heavy. At noon, {he} sat down and [sighed|cried|was very tired].",
         "All morning, {he} tried to lift {part}, but it did not move at all."],
        ["\"Why do you work alone?\" asked {a_helper}. \"Ask your neighbors. They need the {work}, too.\"",
         "{A_helper} watched {him}. \"One of us is weak,\" said the {helper}, \"but all of us are strong.\""],
        ["So {name} went from door to door and asked everyone to come. {friend} the {f_kind} came first.",
         "{name} rang the big bell, and everybody came. \"We need to fix the {work}. Will you help?\" {he} asked. \"Yes!\" they all called."],
        ["{first}, and {second}. {name} and {friend} lifted {part} together.",
         "{first}. {name} and {friend} worked side by side, and {second}."],
        ["Before the sun went down, the new {work} was done. It was even better than the old one.",
         "By the evening, the {work} was finished, and it was strong and fine."],
        ["Everyone [danced and sang|cheered for {name}|ate soup together].",
         "\"We did it!\" [shouted|cried|called] {name}, and everyone cheered."],
    ],
    closings=["the neighbors always worked together", "everyone who saw the {work} thought of {name}"],
)

NEWCOMER = Plot(
    moral="kindness",
    optional=(7,),
    rows=[[
        {"game": "hide and seek"}, {"game": "tag"}, {"game": "a ball game"}, {"game": "a jumping game"},
    ], [
        {"gift": "a bunch of flowers"}, {"gift": "a basket of berries"}, {"gift": "a warm cookie"},
        {"gift": "a smooth white stone"},
    ]],
    beats=[
        ["One day, a {f_kind} named {friend} moved into the house next door. {friend} did not know anyone.",
         "One [morning|day], someone new came to the {home}. It was a {f_kind} named {friend}, and {f_he} was very shy."],
        ["The others played {game}, but {friend} stood behind a tree and watched.",
         "When the others played {game}, {friend} only looked at the ground."],
        ["{name} saw it and wanted to be {friend_s} friend.",
         "\"{friend} looks lonely,\" thought {name}. \"I want to make {f_him} smile.\""],
        ["{He} waved and called hello, but {friend} ran [away|inside and closed the door].",
         "{He} asked, \"Do you want to play?\" But {friend} was too shy to answer."],
        ["{name} asked {his} {kin} what to do. \"Be gentle and give it time,\" said {his} {kin}. \"A small gift can open a big door.\"",
         "\"What can I do?\" {name} asked {his} {kin}. \"Bring a little gift, and do not be in a hurry,\" {kin_he} said."],
        ["The next day, {name} brought {gift} and put it by the door. {He} sat down and waited.",
         "So {name} took {gift} and knocked softly on the door of the new house. \"This is for you,\" {he} said."],
        ["Slowly, {friend} came closer. \"Is that really for me?\" {f_he} asked, and for the first time {f_he} smiled.",
         "{friend} looked at the gift and smiled. \"Nobody ever gave me a present before,\" {f_he} said."],
        ["Soon they played {game} together, and {friend} laughed louder than anyone.",
         "\"Will you teach me {game}?\" asked {friend}. \"Of course!\" said {name}, and off they ran."],
    ],
    closings=["{name} and {friend} were best friends", "{friend} was never alone again"],
)

RACE = Plot(
    moral="kindness",
    optional=(1, 7),
    rows=[[
        {"race": "the big summer race", "prize": "a golden cup"},
        {"race": "the race around the {home}", "prize": "a basket of cherries"},
        {"race": "the spring race", "prize": "a crown of flowers"},
        {"race": "the great autumn race", "prize": "a silver star"},
    ], [
        {"hurt": "had hurt {f_his} leg", "aid": "tied a cloth around it and held {f_his} arm"},
        {"hurt": "was stuck in the mud", "aid": "pulled with all {his} might until {friend} was free"},
        {"hurt": "was caught in a thorny bush", "aid": "carefully bent the thorns aside"},
    ]],
    beats=[
        ["{name} wanted to win {race}. The prize was {prize}.",
         "Soon it was time for {race}, and {name} wanted to win {prize}."],
        ["{He} practiced every day until {he} was very fast.",
         "Every morning, {he} got up early to practice. \"This year I will win,\" {he} said."],
        ["On the big day, {name} was far ahead of the others. {He} could already see the end.",
         "The race began, and {name} was the first of all. \"I am winning!\" {he} thought."],
        ["But then {he} heard a cry. {friend} the {f_kind} {hurt}.",
         "Suddenly someone called for help. It was {friend} the {f_kind}, who {hurt}."],
        ["{name} looked at the end of the race and then at {friend}. {He} did not want to lose, but {he} turned around.",
         "\"If I stop, I will lose,\" thought {name}. But {he} could not leave {friend} alone."],
        ["{He} {aid}. All the others went past them.",
         "\"I will help you,\" said {name}. {He} {aid}, and the others went by."],
        ["They came in last, side by side. But {a_helper} stood there and cheered. \"You did not win the race, {name},\" said the {helper}, \"but you won our hearts.\"",
         "{name} and {friend} were the last to arrive. Yet everybody clapped, and {a_helper} said, \"A kind heart is worth more than {prize}.\""],
        ["{friend} hugged {name}. \"You are the best friend in the world,\" {f_he} said.",
         "The winner even shared {prize} with {name}, and everyone was glad."],
    ],
    closings=["{name} and {friend} practiced together", "everyone in the {home} knew about {name_s} kind heart"],
)

HANDMADE_GIFT = Plot(
    moral="love",
    optional=(2, 4),
    rows=[[
        {"made": "a necklace of shells", "gift": "necklace", "stuff": "shells"},
        {"made": "a picture of the sunset", "gift": "picture", "stuff": "paper and paint"},
        {"made": "a warm pair of mittens", "gift": "mittens", "stuff": "soft wool"},
        {"made": "a little wooden bird", "gift": "bird", "stuff": "a piece of wood"},
        {"made": "a crown of daisies", "gift": "crown", "stuff": "daisies"},
        {"made": "a lamp of colored paper", "gift": "lamp", "stuff": "colored paper"},
    ], [
        {"shop": "a silver ring"}, {"shop": "a silk shawl"}, {"shop": "a golden comb"}, {"shop": "a fine new teapot"},
    ]],
    beats=[
        ["It was almost {his} {kin}'s birthday, and {name} wanted to give {kin_obj} something special.",
         "{His} {kin} had a birthday soon. {name} wanted to find the perfect gift."],
        ["In the shop window, {he} saw {shop}, but {he} had only [one|two|three] small [coins|pennies].",
         "{He} wanted to buy {shop}, but {he} did not have enough money."],
        ["{He} tried to [sell lemonade|find coins on the road|sell old toys], but nobody [stopped|came by].",
         "{He} shook {his} little bank again and again, but no more coins came out."],
        ["\"I have nothing to give,\" {he} said to {a_helper}. \"That is not true,\" said the {helper}. \"You can make something yourself.\"",
         "{name} told {a_helper} about it. \"The best gift is one you make yourself,\" said the {helper}."],
        ["The {helper} gave {him} {stuff} and showed {him} what to do.",
         "The {helper} helped {him} find {stuff}."],
        ["{name} worked all [day|evening|afternoon]. It was not easy, but in the end {he} had made {made}.",
         "With great care, {name} made {made}. {He} worked until the stars came out."],
        ["On the birthday morning, {name} said, \"This is for you. I made it myself.\"",
         "The next morning, {he} put it into {his} {kin}'s hands."],
        ["{His} {kin} had tears of joy in {kin_his} eyes. \"I love it more than {shop},\" {kin_he} said.",
         "\"This is the most beautiful gift of all,\" said {his} {kin} and hugged {him} tight."],
    ],
    closings=["{his} {kin} kept the {gift} in a special place", "{name} made all {his} gifts by hand"],
)

LOST_IN_FOG = Plot(
    moral="calm",
    optional=(1,),
    rows=[[
        {"goal": "sweet berries"}, {"goal": "mushrooms"}, {"goal": "wild flowers"}, {"goal": "hazelnuts"},
    ], [
        {"guide": "the sound of the stream", "lead": "The stream runs past your house", "follow": "followed the water"},
        {"guide": "the song of a blackbird", "lead": "The blackbird has a nest near your house", "follow": "followed the song"},
        {"guide": "the ringing of a bell", "lead": "The bell rings near your house", "follow": "followed the sound of the bell"},
        {"guide": "the smell of warm bread", "lead": "Someone is baking near your house", "follow": "followed the good smell"},
    ]],
    beats=[
        ["One [autumn|summer] day, {name} went to {wild} because {he} wanted to find {goal}.",
         "{name} wanted to find {goal} for {his} {kin}, so {he} walked to {wild}."],
        ["{He} went a little farther, and then a little farther still. Soon the basket was full of {goal}.",
         "{He} found so many {goal} that {he} forgot the time."],
        ["But when {he} looked up, thick fog was everywhere. {name} could not see the way home.",
         "Then it got dark and foggy, and the path was gone. {name} was lost!"],
        ["{He} ran one way and then the other, but everything looked the same.",
         "{He} ran and ran, but {he} only came back to the same old tree."],
        ["\"Do not run,\" said a voice. It was {a_helper}. \"Stand still and use your ears, eyes and nose. What do you notice?\"",
         "Then {he} met {a_helper}. \"I am lost,\" said {name}. \"Be calm,\" said the {helper}. \"Stand still for a moment. What do you notice?\""],
        ["{name} took a deep breath and noticed {guide}. \"{lead},\" said the {helper}.",
         "{name} waited. Slowly, {he} noticed {guide}. \"Very good! {lead},\" said the {helper}."],
        ["So {name} {follow}, step by step, until {he} saw the light in the window.",
         "Together they {follow}, and soon {name} saw {his} own front door."],
        ["{His} {kin} ran out and hugged {him}. They shared the {goal} with the {helper}.",
         "\"There you are!\" cried {his} {kin}. {name} gave some of the {goal} to the {helper} to say thank you."],
    ],
    closings=["{name} never went to {wild} alone", "{name} stayed calm when things went wrong"],
)

MOON_WISH = Plot(
    moral="love",
    rows=[[
        {"water": "pond"}, {"water": "well"}, {"water": "water barrel"}, {"water": "lake"},
    ], [
        {"trick": "jumped as high as {he} could"}, {"trick": "stood on three chairs"},
        {"trick": "climbed the highest hill"}, {"trick": "threw a long rope at it"},
    ]],
    beats=[
        ["One clear night, {name} saw the big round moon. \"I want to have the moon for {my_kin},\" {he} said.",
         "Every night, {name} looked at the moon. {He} wanted to bring it home as a gift for {his} {kin}."],
        ["{He} {trick}, but the moon was too far away.",
         "First {he} called the moon, but it did not come. Then {he} {trick}, but it was no use."],
        ["\"Why are you not in bed?\" asked {a_helper}. \"I want to catch the moon,\" said {name}.",
         "{A_helper} saw {him} and laughed softly. \"Nobody can catch the moon,\" said the {helper}, \"but I can show you something.\""],
        ["The {helper} took {him} to the {water}. There was the moon, shining in the water!",
         "\"Come and look into the {water},\" said the {helper}. {name} looked, and there was the moon in the water."],
        ["{name} reached out to take it, but it broke into a hundred little lights. {He} was [sad|sorry|upset].",
         "{He} put {his} hand into the water, and the moon was gone. {name} began to cry."],
        ["\"Wait until the water is still,\" said the {helper}. Slowly, the moon came back, round and bright.",
         "\"Be still,\" said the {helper}, and soon the moon was there again."],
        ["{name} ran home and came back with {his} {kin}. They sat by the {water} and looked at the moon together.",
         "So {name} called {his} {kin} to come and see. Side by side, they looked into the {water}."],
        ["\"This is the loveliest gift,\" said {his} {kin}, \"because you are here with me.\"",
         "{His} {kin} held {him} close. \"The moon is for everyone,\" {kin_he} said, \"but this moment is ours.\""],
    ],
    closings=["they looked at the moon together every month", "{name} and {his} {kin} often sat by the {water} at night"],
)

# The plots below are short ones, for stories of few words.

SHARED_UMBRELLA = Plot(
    moral="share",
    optional=(2, 5),
    rows=[[
        {"cover": "a red umbrella"}, {"cover": "a yellow umbrella"}, {"cover": "a big green leaf"},
        {"cover": "a wide straw hat"},
    ]],
    beats=[
        ["One gray day, {name} wanted to walk to the market, but it began to rain.",
         "{name} wanted to visit {his} {kin}'s garden, but dark clouds came and it rained."],
        ["{He} tried to run home, but soon {his} feet were wet and cold.",
         "{He} tried to hide under a bush, but the rain came through the leaves."],
        ["\"I will never get home,\" said {name}.", "\"I am so wet!\" cried {name}."],
        ["Then {friend} the {f_kind} came by with {cover}. \"Come here, there is room for two,\" said {friend}.",
         "\"Come to me!\" called {friend} the {f_kind}, who had {cover}. \"It is big enough for both of us.\""],
        ["Side by side, they walked home, and they even jumped over the puddles.",
         "So they walked home together and stayed [nice and dry|almost dry|warm and dry]."],
        ["\"Rain is fun with a friend,\" said {name}.", "When the sun came out, they saw a rainbow."],
    ],
    closings=["{name} and {friend} liked rainy days", "{name} always made room for a friend"],
)

WEB_RESCUE = Plot(
    moral="kindness",
    optional=(5,),
    rows=[[
        {"bug": "butterfly"}, {"bug": "bee"}, {"bug": "ladybug"}, {"bug": "firefly"},
    ]],
    beats=[
        ["One morning, {name} wanted to pick flowers and saw a little {bug} caught in a spider web.",
         "{name} wanted to rest under a tree when {he} saw a {bug} that was stuck in a web."],
        ["\"Please help me,\" said the {bug} in a tiny voice.", "\"Help! I cannot fly!\" called the {bug}."],
        ["{name} tried to pull, but the web was too sticky and {his} hands were too rough.",
         "{He} tried to blow the web away, but the {bug} only got more stuck."],
        ["\"Use this,\" said {a_helper} and gave {him} a [soft feather|thin straw|blade of grass].",
         "{A_helper} saw it and gave {him} a [soft feather|thin straw|little stick]. \"Be gentle,\" said the {helper}."],
        ["Slowly and carefully, {name} opened the web, and the {bug} was free!",
         "Thread by thread, {name} cut the web until the {bug} could fly away."],
        ["The {bug} danced around {his} nose to say thank you.", "\"Thank you! I will be your friend,\" said the {bug}."],
    ],
    closings=["the {bug} visited {name} every summer", "{name} looked out for small creatures"],
)

CANNOT_SLEEP = Plot(
    moral="calm",
    optional=(1, 5),
    rows=[[
        {"count": "the stars", "see": "stars"}, {"count": "the sheep on the hill", "see": "sheep"},
        {"count": "the lights of the boats", "see": "lights"},
    ]],
    beats=[
        ["One night, {name} wanted to sleep, but {his} head was full of thoughts.",
         "It was late, and {name} wanted to sleep, but {he} was wide awake."],
        ["{He} turned to the left. {He} turned to the right.", "\"Tomorrow is a big day,\" {he} thought. \"I must sleep!\""],
        ["{He} tried to close {his} eyes very tight, but that did not help.",
         "{He} drank some milk and put the pillow on {his} head, but nothing helped."],
        ["Then {his} {kin} sat down on the bed. \"Breathe slowly and count {count},\" {kin_he} said.",
         "{His} {kin} opened the curtain. \"Look outside and count {count} with me,\" {kin_he} said."],
        ["\"One, two, three,\" counted {name}. The {see} looked so peaceful. Before {he} came to ten, {he} was asleep.",
         "{name} counted the {see} in a soft voice. Soon {his} eyes were heavy, and {he} fell asleep."],
        ["{His} {kin} kissed {him} good night.", "{His} {kin} smiled and blew out the candle."],
    ],
    closings=["{name} counted {count} every night", "{name} was not worried at bedtime"],
)

HEAVY_BASKET = Plot(
    moral="together",
    optional=(1, 5),
    rows=[[
        {"load": "apples"}, {"load": "potatoes"}, {"load": "firewood"}, {"load": "pumpkins"},
    ]],
    beats=[
        ["One day, {name} wanted to bring a big basket of {load} home to {his} {kin}.",
         "{His} {kin} needed {load}, and {name} wanted to bring home a whole basket."],
        ["\"I am strong enough,\" {he} said.", "It was the biggest basket in the {home}."],
        ["{He} tried to lift it, but the basket was too heavy.",
         "{He} tried to pull the basket, but it hardly moved."],
        ["{friend} the {f_kind} saw {him}. \"You take one side, and I will take the other,\" said {friend}.",
         "\"May I help?\" asked {friend} the {f_kind}. \"Yes, please,\" said {name}."],
        ["Together they lifted the basket and carried it {path} all the way to the door.",
         "One, two, three, up it went! They sang a song and carried the {load} home together."],
        ["{His} {kin} gave them both a [cup of tea|piece of cake|big smile].",
         "\"What a fine team you are!\" said {his} {kin}."],
    ],
    closings=["{name} and {friend} carried heavy things together", "{name} was happy to let others help"],
)

PLOTS = [LOST_TREASURE, STUCK_IN_TREE, BAKING, HUNGRY_STRANGER, LEARNING, NIGHT_NOISE,
         BROKEN_THING, QUARREL, GARDEN, LOST_BABY, BRIDGE, NEWCOMER, RACE, HANDMADE_GIFT,
         LOST_IN_FOG, MOON_WISH,
         SHARED_UMBRELLA, WEB_RESCUE, CANNOT_SLEEP, HEAVY_BASKET]


def pick_actor(rng, child_share, taken=()):
    """Draw a name, a kind and a gender that belong together."""
    gender = rng.choice("fm")
    names = GIRLS if gender == "f" else BOYS
    name = rng.choice([n for n in names if n not in taken])
    if rng.random() < child_share:
        kind = "girl" if gender == "f" else "boy"
    else:
        kind = rng.choice(ANIMALS)
    return name, kind, gender


def hero_words(rng):
    name, kind, gender = pick_actor(rng, CHILD_SHARE)
    return {"name": name, "name_s": name + "'s", "kind": kind,
            "trait": rng.choice(TRAITS), **PRONOUNS[gender]}


def friend_words(rng, hero_name):
    """The friend is always an animal, so that "Otto the fox" reads well."""
    name, kind, gender = pick_actor(rng, 0.0, taken=(hero_name,))
    pronouns = {"f_" + key: word for key, word in PRONOUNS[gender].items()}
    return {"friend": name, "friend_s": name + "'s", "f_kind": kind, **pronouns}


def helper_words(rng):
    full, short, gender = rng.choice(HELPERS)
    pronouns = {"h_" + key: word for key, word in PRONOUNS[gender].items()}
    return {"a_helper": "a " + full, "helper": short, **pronouns}


def kin_words(rng):
    words = dict(rng.choice(FAMILY))
    words["kin_obj"] = "her" if words["kin_he"] == "she" else "him"
    words["my_kin"] = "my " + words["kin"]
    return words


def cast_words(rng, plot):
    """Everything the sentences may refer to, drawn once for the whole story."""
    words = hero_words(rng)
    words.update(friend_words(rng, words["name"]))
    words.update(helper_words(rng))
    words.update(kin_words(rng))
    words.update(rng.choice(PLACES))
    for group in plot.rows:
        words.update(rng.choice(group))
    if "tree" in words:
        words["a_tree"] = "a " + words["tree"]
    if "lost" in words:
        words["lost_cap"] = words["lost"].capitalize()
    return words


def fill(text, words):
    """Replace {slot}; a slot may hold slots, so repeat until none is left."""
    def value(match):
        slot = match.group(1)
        if slot in words:
            return words[slot]
        word = words[slot[0].lower() + slot[1:]]
        return word[0].upper() + word[1:]

    while "{" in text:
        text = re.sub(r"\{(\w+)\}", value, text)
    return text


def choose(text, rng):
    """Resolve [a|b] from the inside out."""
    innermost = re.compile(r"\[([^\[\]]*)\]")
    while innermost.search(text):
        text = innermost.sub(lambda m: rng.choice(m.group(1).split("|")), text, count=1)
    return text


def polish(text):
    """Spaces, capitals and "an" before a vowel."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)

    def upper(match):
        return match.group(0).upper()

    return re.sub(r'(^|[.!?] |\." )[a-z]', upper, text)


def maybe(rng, sentences):
    """A sentence that only some stories have."""
    return rng.choice(sentences) if rng.random() < KEEP_OPTIONAL else ""


def outline(rng, plot):
    """The sentences of one story, still with open slots."""
    parts = [rng.choice(OPENINGS), maybe(rng, HABITS)]
    parts += [rng.choice(beat) for number, beat in enumerate(plot.beats)
              if number not in plot.optional or rng.random() < KEEP_OPTIONAL]
    parts.append(maybe(rng, PEACE))
    closing = maybe(rng, CLOSINGS).replace("{closing}", rng.choice(plot.closings))
    moral = rng.choice(MORAL_LEADS) + " " + rng.choice(MORALS[plot.moral]) + "."
    parts += rng.choice([[closing, moral], [moral, closing]])
    if rng.random() < 0.15:
        parts.append("The end.")
    if parts[0].startswith("one day"):
        # Two sentences that both begin with "One day" would sound like two stories.
        parts[2] = re.sub(r"^One day,", "That day,", parts[2])
    return " ".join(parts)


def make_story(rng):
    """One story as a single paragraph of plain ASCII."""
    while True:
        plot = rng.choice(PLOTS)
        text = polish(fill(choose(outline(rng, plot), rng), cast_words(rng, plot)))
        if MIN_WORDS <= len(text.split()) <= MAX_WORDS:
            return text


def make_stories(count, seed):
    rng = random.Random(seed)
    return [make_story(rng) for _ in range(count)]


if __name__ == "__main__":
    for story in make_stories(int(sys.argv[1]) if len(sys.argv) > 1 else 3, seed=None):
        print(story, end="\n\n")
