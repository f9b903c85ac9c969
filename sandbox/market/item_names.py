"""The parts of item names."""


def _words(text: str, separator: str = ",") -> tuple[str, ...]:
    return tuple(text.split(separator))


WEARS = ("Factory New", "Minimal Wear", "Field-Tested", "Well-Worn", "Battle-Scarred")
DOPPLER = ("Phase 1", "Phase 2", "Phase 3", "Phase 4", "Ruby", "Sapphire", "Black Pearl")
GAMMA = ("Phase 1", "Phase 2", "Phase 3", "Phase 4", "Emerald")
PHASES = (*DOPPLER, "Emerald")
WEAPONS = {  # (subtype, weapon type): weapons
    ("Rifles", "Assault Rifle"): "AK-47,M4A4,M4A1-S,AUG,SG 553,FAMAS,Galil AR",
    ("Rifles", "Sniper Rifle"): "AWP,SSG 08,SCAR-20,G3SG1",
    ("Pistols", "Pistol"): (
        "Desert Eagle,USP-S,Glock-18,P250,P2000,Five-SeveN,Tec-9,CZ75-Auto,Dual Berettas,R8 Revolver"
    ),
    ("SMGs", "SMG"): "MP9,MP7,MP5-SD,MAC-10,UMP-45,P90,PP-Bizon",
    ("Heavy", "Shotgun"): "Nova,XM1014,MAG-7,Sawed-Off",
    ("Heavy", "Machinegun"): "Negev,M249",
}
FINISHES = _words(
    "Redline,Asiimov,Printstream,Neon Rider,Bloodsport,Vulcan,Fire Serpent,Hyper Beast,Fade,"
    "Blue Laminate,Slate,Ice Coaled,Legion of Anubis,Phantom Disruptor,Rat Rod,Head Shot,Nightwish,"
    "Leet Museo,Inheritance,Wasteland Rebel,Frontside Misty,Point Disarray,Elite Build,Safari Mesh,"
    "Urban DDPAT,Boreal Forest,Forest DDPAT,Sand Dune,Tornado,Contractor,Army Sheen,Candy Apple,"
    "Night Terror,Ticket to Hell,Evil Daimyo,Desolate Space,The Emperor,Cyber Security,Temukau,"
    "Eye of Athena,Mainframe,Monster Mashup,Kumicho Dragon,Mecha Industries,Orange Filigree,"
    "Dark Filigree,Blue Steel,Scorched,Hand Cannon,Pulse,Roadblock,Reactor,Flashback,Teardown,"
    "Duality,Pole Position,Fuel Rod,Marina,Red DDPAT,Blueberries & Cream,Chatterbox,Stone Cold,Cyrex,"
    "Decimator,Buzz Kill,Momentum,Dragonfire,Death's Head,Man-o'-war,Oni Taiji,Lightning Strike,"
    "Electric Hive,Worm God,Corticera,Fever Dream,Capillary,Mortis,Chromatic"
)
KNIVES = _words(
    "Karambit,Bayonet,M9 Bayonet,Butterfly Knife,Flip Knife,Gut Knife,Huntsman Knife,Falchion Knife,"
    "Bowie Knife,Shadow Daggers,Ursus Knife,Navaja Knife,Stiletto Knife,Talon Knife,Skeleton Knife,"
    "Nomad Knife,Paracord Knife,Survival Knife,Classic Knife,Kukri Knife"
)
KNIFE_FINISHES = _words(
    "Fade,Slaughter,Crimson Web,Case Hardened,Blue Steel,Night Stripe,Tiger Tooth,Marble Fade,"
    "Damascus Steel,Rust Coat,Ultraviolet,Lore,Autotronic,Black Laminate,Freehand,Bright Water,"
    "Stained,Scorched,Boreal Forest,Safari Mesh"
)
GLOVES = _words(
    "Sport Gloves,Specialist Gloves,Driver Gloves,Moto Gloves,Hand Wraps,Hydra Gloves,"
    "Bloodhound Gloves,Broken Fang Gloves"
)
GLOVE_FINISHES = _words(
    "Vice,Pandora's Box,Hedge Maze,Slaughter,Crimson Kimono,Fade,King Snake,Spruce DDPAT,"
    "Cobalt Skulls,Amphibious"
)
SIGNERS = _words(
    "s1mple,ZywOo,NiKo,dev1ce,sh1ro,m0NESY,donk,ropz,Twistzz,EliGE,KSCERATO,yuurih,arT,FalleN,"
    "coldzera,fer,TACO,olofmeister,f0rest,GeT_RiGHT,friberg,Xizt,pashaBiceps,TaZ,NEO,byali,Snax,"
    "kennyS,apEX,shox,NBK-,Happy,KRIMZ,JW,flusha,electroNic,Perfecto,b1t,jL,iM,w0nderful,"
    "Aleksib,karrigan,rain,broky,frozen,huNter-,nexa,malbsMd,HooXi,Magisk,gla1ve,dupreeh,Xyp9x,"
    "blameF,k0nfig,stavn,cadiaN,jabbi,TeSeS,sjuush,Jame,qikert,FL1T,n0rb3r7,fame,siuhy,oSee,"
    "nitr0,NAF,YEKINDAR,Liquid,Natus Vincere,FaZe Clan,G2 Esports,Vitality,MOUZ,Ninjas in Pyjamas,"
    "Fnatic,Astralis,Heroic,Cloud9,FURIA,Team Spirit,Virtus.pro,The MongolZ,Complexity Gaming,"
    "Rare Atom,Lynn Vision,TYLOO,BIG,ENCE,9z Team,Imperial Esports,paiN Gaming"
)
EVENTS = _words(
    "Katowice 2014,Cologne 2014,Katowice 2015,Cologne 2015,Cluj-Napoca 2015,MLG Columbus 2016,"
    "Cologne 2016,Atlanta 2017,Krakow 2017,Boston 2018,London 2018,Katowice 2019,Berlin 2019,2020 RMR,"
    "Stockholm 2021,Antwerp 2022,Rio 2022,Paris 2023,Copenhagen 2024,Shanghai 2024,Austin 2025,"
    "Budapest 2025"
)
EFFECTS = ("", " (Holo)", " (Foil)", " (Gold)")
CASES = _words(
    "Kilowatt,Revolution,Recoil,Dreams & Nightmares,Snakebite,Fracture,Prisma,Prisma 2,CS20,"
    "Danger Zone,Horizon,Clutch,Spectrum,Spectrum 2,Glove,Gamma,Gamma 2,Chroma,Chroma 2,Chroma 3,"
    "Falchion,Shadow,Huntsman,Revolver,Gallery,Fever"
)
GRAFFITI = _words(
    "Recoil M4A1-S,Okay,GGWP,Rage Mode,Nice Shot,Cerberus,Headstone,Lambda,King Me,Popdog,Salty,"
    "Toasted,Heart,Ninja,Still Happy"
)
INKS = _words(
    "Monster Purple,War Pig Pink,Battle Green,Blood Red,Brick Red,Cash Green,Desert Amber,Dust Brown,"
    "Frog Green,Jungle Green,Monarch Blue,Princess Pink,SWAT Blue,Shark White,Tiger Orange,"
    "Tracer Yellow,Violent Violet,Wire Blue"
)
AGENTS = _words(
    "'Blueberries' Buckshot | NSWC SEAL;'The Doctor' Romanov | Sabre;'Two Times' McCoy | TACP Cavalry;"
    "Sir Bloody Miami Darryl | The Professionals;1st Lieutenant Farlow | SWAT;3rd Commando Company | KSK;"
    "Cmdr. Mae 'Dead Cold' Jamison | SWAT;Number K | The Professionals;Lt. Commander Ricksaw | NSWC SEAL;"
    "Vypa Sista of the Revolution | Guerrilla Warfare;Chef d'Escadron Rouchard | Gendarmerie Nationale",
    ";",
)
MUSIC = _words(
    "Daniel Sadowski, Crimson Assault;Scarlxrd, King, Scar;AWOLNATION, I Am;"
    "Neck Deep, Life's Not Out To Get You;Perfect World, 花脸 (Hua Lian);Skog, Metal;Beartooth, Disgusting;"
    "Austin Wintory, Desert Fire",
    ";",
)
